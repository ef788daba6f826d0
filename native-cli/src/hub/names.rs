//! How a model on a hub is named: `owner/repo`, `owner/repo@revision`, or the address of its page.

use std::fmt;

use url::Url;

/// The revision that is meant where none is given.
pub const MAIN: &str = "main";

/// The longest name of an owner, a repository or a revision.
const MOST_CHARS: usize = 96;

/// `owner/repo`, both of them plain enough to be part of a folder's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repo {
    /// Who keeps it.
    pub owner: String,
    /// What it is called there.
    pub name: String,
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl Repo {
    /// Reads `owner/repo`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Repo, String> {
        let Some((owner, name)) = text.split_once('/') else {
            return Err("expected owner/repo".to_owned());
        };
        Ok(Repo { owner: part(owner)?, name: part(name)? })
    }

    /// Its folder in the cache. No owner and no name holds `--`, so it can be read back.
    pub fn folder(&self) -> String {
        format!("{}--{}", self.owner, self.name)
    }

    /// Reads [`Repo::folder`] back.
    pub fn from_folder(folder: &str) -> Option<Repo> {
        let (owner, name) = folder.split_once("--")?;
        Repo::parse(&format!("{owner}/{name}")).ok()
    }
}

/// The hub's own rule for names, which also keeps them from being paths.
fn part(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let edges = text.starts_with(['-', '.']) || text.ends_with(['-', '.']);
    if text.is_empty() || !plain || edges || text.contains("--") || text.contains("..") {
        return Err(format!(
            "{text:?} is no name of a hub: expected letters, digits, `-`, `_` and `.` within"
        ));
    }
    match text.len() {
        n if n > MOST_CHARS => Err(format!("a name of {n} characters, where a hub allows {MOST_CHARS}")),
        _ => Ok(text.to_owned()),
    }
}

/// A branch, a tag or a commit.
fn revision(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+'));
    let odd = text.split('/').any(|piece| piece.is_empty() || piece.starts_with(['.', '-']));
    if !plain || odd || text.contains("..") || text.len() > MOST_CHARS {
        return Err(format!("{text:?} is no revision: expected a branch, a tag or a commit"));
    }
    Ok(text.to_owned())
}

/// A full commit, as git writes it.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The hub of an address; None: the one that is configured.
    pub endpoint: Option<Url>,
    /// Which repository.
    pub repo: Repo,
    /// Which state of it; None where none was given.
    pub revision: Option<String>,
}

impl Wanted {
    /// Reads `owner/repo`, `owner/repo@revision` or the address of a page on a hub.
    ///
    /// # Errors
    /// A sentence that says what was expected and what was found.
    pub fn parse(text: &str) -> Result<Wanted, String> {
        if text.contains("://") {
            return Wanted::from_address(text);
        }
        let (repo, revision) = split_revision(text)?;
        Ok(Wanted { endpoint: None, repo: Repo::parse(repo)?, revision })
    }

    /// `https://host/owner/repo`, `…/tree/revision`; what a browser's address line may add is left aside.
    fn from_address(text: &str) -> Result<Wanted, String> {
        let mut address = Url::parse(text).map_err(|error| format!("not an address: {error}"))?;
        if !matches!(address.scheme(), "http" | "https") || !address.has_host() {
            return Err("expected an address that begins with https://".to_owned());
        }
        if !address.username().is_empty() || address.password().is_some() {
            return Err("an address with a user or a password; a token belongs into HF_TOKEN".to_owned());
        }
        let path = address.path().trim_matches('/').replace("%2F", "/").replace("%2f", "/");
        let mut pieces = path.split('/');
        let owner = pieces.next().unwrap_or_default();
        if matches!(owner, "datasets" | "spaces") {
            return Err(format!("the address of one of the {owner}; expected https://host/owner/repo"));
        }
        let (name, kind) = (pieces.next().unwrap_or_default(), pieces.next());
        let rest: Vec<&str> = pieces.collect();
        let found = match (kind, rest.as_slice()) {
            (None, _) => None,
            (Some("tree"), [_, ..]) => Some(revision(&rest.join("/"))?),
            (Some("blob" | "resolve"), [first, ..]) => Some(revision(first)?),
            _ => {
                return Err(
                    "expected https://host/owner/repo or https://host/owner/repo/tree/revision".to_owned()
                );
            }
        };
        let repo = Repo { owner: part(owner)?, name: part(name)? };
        address.set_path("");
        address.set_query(None);
        address.set_fragment(None);
        Ok(Wanted { endpoint: Some(address), repo, revision: found })
    }

    /// The revision to ask a hub for.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.revision {
            Some(revision) => write!(f, "{}@{revision}", self.repo),
            None => write!(f, "{}", self.repo),
        }
    }
}

/// What `-m` may call a model that was pulled: the owner may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Whose; None: whoever's.
    pub owner: Option<String>,
    /// The repository's own name.
    pub name: String,
    /// Which state of it; None where none was given.
    pub revision: Option<String>,
}

impl Called {
    /// Reads `owner/repo[@revision]` or `repo[@revision]`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Called, String> {
        let (name, revision) = split_revision(text)?;
        if name.contains('/') {
            let repo = Repo::parse(name)?;
            return Ok(Called { owner: Some(repo.owner), name: repo.name, revision });
        }
        Ok(Called { owner: None, name: part(name)?, revision })
    }

    /// It may be this one.
    pub fn fits(&self, repo: &Repo) -> bool {
        self.name == repo.name && self.owner.as_ref().is_none_or(|owner| *owner == repo.owner)
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(owner) = &self.owner {
            write!(f, "{owner}/")?;
        }
        f.write_str(&self.name)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

fn split_revision(text: &str) -> Result<(&str, Option<String>), String> {
    match text.split_once('@') {
        Some((name, found)) => Ok((name, Some(revision(found)?))),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String, String)> {
        let wanted = Wanted::parse(text).ok()?;
        let host = wanted.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        Some((host.unwrap_or_default(), wanted.repo.to_string(), wanted.revision().to_owned()))
    }

    fn is(host: &str, repo: &str, revision: &str) -> Option<(String, String, String)> {
        Some((host.to_owned(), repo.to_owned(), revision.to_owned()))
    }

    #[test]
    fn names_and_addresses() {
        assert_eq!(read("me/beads"), is("", "me/beads", "main"));
        assert_eq!(read("me/beads@v1.0"), is("", "me/beads", "v1.0"));
        assert_eq!(read("me/beads@refs/pr/3"), is("", "me/beads", "refs/pr/3"));
        assert_eq!(read("https://hub.example/me/beads"), is("https://hub.example", "me/beads", "main"));
        assert_eq!(
            read("https://hub.example/me/beads/?a=b#c"),
            is("https://hub.example", "me/beads", "main")
        );
        assert_eq!(read("http://h:81/me/beads/tree/v1"), is("http://h:81", "me/beads", "v1"));
        assert_eq!(read("https://h/me/b/tree/refs%2Fpr%2F3"), is("https://h", "me/b", "refs/pr/3"));
        assert_eq!(read("https://h/me/b/blob/v1/config.json"), is("https://h", "me/b", "v1"));
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "",
            "beads",
            "/beads",
            "me/",
            "me/a/b",
            "../beads",
            "me/..",
            "me/a..b",
            "me/a--b",
            ".me/beads",
            "me/be ads",
            "me/be\\ads",
            "me/b@",
            "me/b@../x",
            "me/b@a//b",
            "me/b@-x",
            "C:\\models",
            "https://h",
            "https://h/me",
            "https://h/datasets/me/beads",
            "https://user:word@h/me/beads",
            "ftp://h/me/beads",
            "https://h/me/beads/commits/main",
        ] {
            assert!(Wanted::parse(text).is_err(), "{text}");
        }
        assert!(Wanted::parse(&format!("me/{}", "x".repeat(97))).is_err());
    }

    #[test]
    fn folders_are_read_back() {
        for text in ["me/beads", "a-b/c-d", "a_b/c.d-e"] {
            let repo = Repo::parse(text).expect(text);
            assert_eq!(Repo::from_folder(&repo.folder()), Some(repo));
        }
        assert_eq!(Repo::from_folder(".locks"), None);
        assert_eq!(Repo::from_folder("a--b--c"), None);
    }

    #[test]
    fn short_names() {
        let called = Called::parse("beads@v1").expect("a name");
        assert!(called.fits(&Repo::parse("me/beads").expect("a name")));
        assert!(!called.fits(&Repo::parse("me/bead").expect("a name")));
        assert!(!Called::parse("you/beads").expect("a name").fits(&Repo::parse("me/beads").expect("a name")));
        assert!(Called::parse("../beads").is_err());
    }
}
