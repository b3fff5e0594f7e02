//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so that the lengths of its codes are all
//! there is to know.

/// The end of a string, which no string holds.
const EOS: u16 = 256;

const LONGEST: usize = 30;

/// Number of bits in the code of each symbol.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6,
    6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6,
    6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
    22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
    23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22,
    25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The codes of one length: the first of them, how many there are, and where their symbols begin.
#[derive(Clone, Copy)]
struct LengthCodes {
    first: u32,
    count: u32,
    at: u32,
}

const SYMBOLS: [u16; 257] = symbols();
const ROWS: [LengthCodes; LONGEST + 1] = rows();

/// All symbols by the length of their codes.
const fn symbols() -> [u16; 257] {
    let mut out = [0; 257];
    let (mut n, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                out[n] = symbol as u16;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out
}

const fn rows() -> [LengthCodes; LONGEST + 1] {
    let mut out = [LengthCodes { first: 0, count: 0, at: 0 }; LONGEST + 1];
    let (mut code, mut at, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        let (mut count, mut symbol) = (0, 0);
        while symbol < LENGTHS.len() {
            count += (LENGTHS[symbol] as usize == length) as u32;
            symbol += 1;
        }
        out[length] = LengthCodes { first: code, count, at };
        code += count;
        at += count;
        length += 1;
    }
    out
}

/// Returns what a coded string says; `None` where it is not of this code.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let row = ROWS.get(length)?;
            let nth = code.wrapping_sub(row.first);
            if nth < row.count {
                let symbol = SYMBOLS[(row.at + nth) as usize];
                if symbol == EOS {
                    return None;
                }
                out.push(symbol as u8);
                (code, length) = (0, 0);
            }
        }
    }
    // The padding of the last byte is the beginning of the end-of-string code, which is all ones.
    (length < 8 && code == (1 << length) - 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn strings_of_the_standard_are_read() {
        let hex = |text: &str| -> Vec<u8> {
            let digits = text.replace(' ', "");
            let byte = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect()
        };
        for (coded, text) in [
            ("f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"),
            ("25a8 49e9 5bb8 e8b4 bf", "custom-value"),
            (
                "d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            ("", ""),
        ] {
            assert_eq!(decode(&hex(coded)).as_deref(), Some(text.as_bytes()));
        }
        // Too much padding, padding with a zero, and the end-of-string code itself.
        for wrong in ["ff", "f1e3 c2e5 f23a 6ba0 ab90 f4fe", "ffff ffff"] {
            assert_eq!(decode(&hex(wrong)), None, "{wrong}");
        }
    }
}
