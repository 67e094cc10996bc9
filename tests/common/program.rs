//! What the program came to, in texts.

use std::process::Output;

/// Exit code, stdout and stderr.
pub fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
