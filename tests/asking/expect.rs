//! What a node said, in the forms in which people have it.

use crate::blkdex;
use crate::case;
use crate::common::fixtures::data;
use crate::common::trial::Trial;
use crate::with_stdin;
use serde_json::Value;

#[test]
#[cfg_attr(without_shared, ignore = "needs ../shared")]
fn what_a_node_said_is_taken_from_files_and_stdin_in_all_its_forms() {
    let folder = case("expect-forms");
    let indexed = Trial::of(&data()).imported();
    let out = indexed.folder.path().join("said");
    for name in ["exp1.json", "e_rpc.json"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).collect();
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        for bytes in [text.as_bytes(), &wide, &marked] {
            std::fs::write(&out, bytes).unwrap();
            let args = ["verify", "--quiet", "--expect", out.to_str().unwrap()];
            let (code, out, err) = blkdex(indexed.index(), &args);
            assert_eq!(code, Some(0), "{err}");
            assert!(out.contains("equal to what the node said"), "{out}");
            let args = ["--json", "verify", "--quiet", "--expect", "-"];
            let (code, out, err) = with_stdin(indexed.index(), &args, bytes);
            assert_eq!((code, err.as_str()), (Some(0), ""));
            let answer: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(answer["equals_expected"], true);
            assert_eq!(answer["first_difference"], Value::Null);
        }
        let wrong = text.replace("127884", "127885");
        let args = ["--json", "verify", "--quiet", "--expect", "-"];
        let (code, out, err) = with_stdin(indexed.index(), &args, wrong.as_bytes());
        assert_eq!(code, Some(1));
        assert!(
            err.contains("bogosize is 127884, but Bitcoin Core says 127885"),
            "{err}"
        );
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["equals_expected"], false);
        let difference = serde_json::json!(
            {"field": "bogosize", "expected": "127885", "found": "127884"});
        assert_eq!(answer["first_difference"], difference);
        let (code, out, err) = with_stdin(indexed.index(), &args[1..], b"4a73");
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(
            err.contains("stdin: not the output of gettxoutsetinfo"),
            "{err}"
        );
        assert!(
            err.contains("`bitcoin-cli gettxoutsetinfo muhash`"),
            "{err}"
        );
    }
}
