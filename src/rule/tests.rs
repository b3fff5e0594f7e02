use super::*;

#[test]
fn names_and_codes_are_each_other() {
    for code in Code::all() {
        assert_eq!(code.rule().code, code);
        assert_eq!(code.name().parse(), Ok(code));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(code.name().chars().all(plain), "{code}");
    }
    assert_eq!("empty-streams".parse::<Code>(), Err(UnknownCode));
    assert_eq!("".parse::<Code>(), Err(UnknownCode));
}
