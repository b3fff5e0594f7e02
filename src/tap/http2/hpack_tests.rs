use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn read(decoder: &mut HpackDecoder, block: &[u8]) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let fields = decoder.block(block).unwrap().fields;
    fields.iter().map(|f| format!("{}={}\n", text(&f.name), text(&f.value))).collect()
}

#[test]
fn the_standards_examples_are_read() {
    // Requests with Huffman codes (RFC 7541, C.4).
    let mut decoder = HpackDecoder::new();
    let first = read(&mut decoder, &hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"));
    assert_eq!(first, ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\n");
    let second = read(&mut decoder, &hex("8286 84be 5886 a8eb 1064 9cbf"));
    assert_eq!(second, format!("{first}cache-control=no-cache\n"));
    let third = hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf");
    assert_eq!(
        read(&mut decoder, &third),
        ":method=GET\n:scheme=https\n:path=/index.html\n:authority=www.example.com\ncustom-key=custom-value\n"
    );
    assert_eq!(decoder.size, 164);
    // Responses with evictions (C.6): a table of 256 bytes.
    let mut decoder = HpackDecoder::new();
    decoder.resize(256).unwrap();
    read(
        &mut decoder,
        &hex(
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
             919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        ),
    );
    assert_eq!(decoder.size, 222);
    let second = read(&mut decoder, &hex("4883 640e ffc1 c0bf"));
    assert!(second.starts_with(":status=307\ncache-control=private\n"), "{second}");
    assert_eq!(decoder.size, 222);
    let third = read(
        &mut decoder,
        &hex(
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
             821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
             4ee5 b106 3d50 07",
        ),
    );
    assert!(
        third.ends_with("set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n")
    );
    assert_eq!(decoder.size, 215);
}

#[test]
fn what_is_written_is_read_and_enters_no_table() {
    let field = |name: &'static str, value: &'static str, never_indexed| HeaderField {
        name: name.into(),
        value: value.into(),
        never_indexed,
    };
    let long = Box::leak("x".repeat(100_000).into_boxed_str());
    let fields = vec![
        field(":path", "/a", false),
        field("authorization", "Bearer x", true),
        field("", "", false),
        field("long", long, false),
    ];
    let mut coded = Vec::new();
    for field in &fields {
        write(field, &mut coded);
    }
    let mut decoder = HpackDecoder::new();
    let block = decoder.block(&coded).unwrap();
    assert_eq!((block.fields, decoder.table.len()), (fields, 0));
}

#[test]
fn changes_of_the_tables_size_are_kept_as_they_are() {
    let mut decoder = HpackDecoder::new();
    read(&mut decoder, &hex("4001 6101 62"));
    let block = decoder.block(&hex("20 3fe1 1f be82")).unwrap_err();
    assert_eq!(block, BlockError::Index(62));
    let mut decoder = HpackDecoder::new();
    let block = decoder.block(&hex("20 3fe1 1f 82")).unwrap();
    assert_eq!((block.sizes, decoder.most), (hex("20 3fe1 1f"), 4096));
    for (wrong, why) in [
        ("82 20", BlockError::LateSize),
        ("3f ff ff ff 7f", BlockError::Table(31 + 0x0fff_ffff)),
        ("3f ff ff ff ff ff 7f", BlockError::Number),
        ("80", BlockError::Index(0)),
        ("be", BlockError::Index(62)),
        ("40 05 61", BlockError::Short),
        ("40 01 61", BlockError::Short),
        ("ff", BlockError::Short),
        ("40 81 00 00", BlockError::Huffman),
    ] {
        assert_eq!(HpackDecoder::new().block(&hex(wrong)), Err(why), "{wrong}");
    }
}

#[test]
fn a_block_that_names_one_large_entry_again_and_again_is_bounded() {
    let mut decoder = HpackDecoder::new();
    let large =
        HeaderField { name: "n".into(), value: vec![b'v'; 4000].into(), never_indexed: false };
    let mut coded = Vec::new();
    write(&large, &mut coded);
    coded[0] = 0x40;
    coded.extend_from_slice(&vec![0xbe; 1_000_000]);
    assert_eq!(decoder.block(&coded), Err(BlockError::Long));
    // It is still read to its end, so that the table stays right.
    assert_eq!(decoder.block(&[0xbe]).unwrap().fields, [large]);
}

/// Bytes of all kinds, blocks and damaged ones, as another implementation reads them.
#[test]
fn another_implementation_reads_the_same() {
    use proptest::prelude::*;
    let text = || "[ -~]{0,40}";
    let step = prop_oneof![
        (any::<bool>(), text(), text()).prop_map(|(index, name, value)| {
            let mut out = Vec::new();
            write(
                &HeaderField { name: name.into(), value: value.into(), never_indexed: !index },
                &mut out,
            );
            if index {
                out[0] = 0x40;
            }
            out
        }),
        (0x80..=0xffu8).prop_map(|index| vec![index]),
        (0x40..=0x7eu8, text()).prop_map(|(index, value)| {
            let mut out = vec![index, value.len() as u8];
            out.extend_from_slice(value.as_bytes());
            out
        }),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let blocks = prop::collection::vec(prop::collection::vec(step, 0..12), 1..5);
    proptest!(ProptestConfig { failure_persistence: None, ..Default::default() }, |(blocks in blocks)| {
        let (mut ours, mut theirs) = (HpackDecoder::new(), loona_hpack::Decoder::new());
        for block in blocks {
            let block = block.concat();
            let read = ours.block(&block);
            // The other decoder may be more lenient about size updates; what both accept is the same.
            match (read, theirs.decode(&block)) {
                (Ok(read), Ok(other)) => {
                    let own = read.fields.iter().map(|f| (f.name.to_vec(), f.value.to_vec()));
                    prop_assert_eq!(own.collect::<Vec<_>>(), other);
                }
                (Err(_), Err(_)) => break,
                (Err(BlockError::LateSize | BlockError::Table(_)), Ok(_)) => break,
                (Ok(read), Err(why)) if read.fields.is_empty() || !read.sizes.is_empty() => {
                    let _ = why;
                    break;
                }
                (own, other) => prop_assert!(false, "{block:x?}: {own:?} {other:?}"),
            }
        }
    });
}
