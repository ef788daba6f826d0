//! What a file's bytes must add up to, as a hub says it.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash of a file. Hubs give the SHA-256 of large files, and of small ones what git calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Of the bytes.
    Sha256(String),
    /// SHA-1 of `blob <length>\0` and the bytes.
    GitBlob(String),
}

impl Expected {
    /// From the fields of a listing; None where they hold no hash. A large file has both, and then the blob is
    /// that of a pointer to it.
    pub fn read(sha256: Option<String>, blob: Option<String>) -> Option<Expected> {
        match (sha256, blob) {
            (Some(digits), _) => hexadecimal(digits, 64).map(Expected::Sha256),
            (None, Some(digits)) => hexadecimal(digits, 40).map(Expected::GitBlob),
            (None, None) => None,
        }
    }

    /// In hexadecimal digits; also a good name for a file that is not whole yet.
    pub fn digits(&self) -> &str {
        match self {
            Expected::Sha256(digits) | Expected::GitBlob(digits) => digits,
        }
    }

    /// What it is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Expected::Sha256(_) => "sha256",
            Expected::GitBlob(_) => "git blob",
        }
    }

    /// To be fed with the bytes of a file of this length.
    pub fn hasher(&self, n_bytes: u64) -> Hasher {
        match self {
            Expected::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Expected::GitBlob(_) => Hasher::GitBlob(Sha1::new_with_prefix(format!("blob {n_bytes}\0"))),
        }
    }
}

fn hexadecimal(digits: String, n: usize) -> Option<String> {
    let is = digits.len() == n && digits.chars().all(|c| c.is_ascii_hexdigit());
    is.then(|| digits.to_ascii_lowercase())
}

/// A hash on its way.
pub enum Hasher {
    /// See [`Expected::Sha256`].
    Sha256(Sha256),
    /// See [`Expected::GitBlob`].
    GitBlob(Sha1),
}

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::GitBlob(hasher) => hasher.update(bytes),
        }
    }

    /// In hexadecimal digits.
    pub fn finish(self) -> String {
        let bytes = match self {
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
            Hasher::GitBlob(hasher) => hasher.finalize().to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn hash(expected: &Expected, bytes: &[u8]) -> String {
        let mut hasher = expected.hasher(bytes.len() as u64);
        bytes.chunks(3).for_each(|chunk| hasher.update(chunk));
        hasher.finish()
    }

    #[test]
    fn as_git_and_sha256sum_say() {
        let git =
            Expected::read(None, Some("CE013625030BA8DBA906F756967F9E9CA394464A".to_owned())).expect("40");
        assert_eq!(hash(&git, b"hello\n"), git.digits());
        let sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let sha = Expected::read(Some(sha.to_owned()), Some("0".repeat(40))).expect("64");
        assert_eq!(hash(&sha, b"hello\n"), sha.digits());
    }

    #[test]
    fn what_is_no_hash() {
        assert_eq!(Expected::read(None, None), None);
        assert_eq!(Expected::read(Some("../../x".to_owned()), None), None);
        assert_eq!(Expected::read(None, Some("g".repeat(40))), None);
    }
}
