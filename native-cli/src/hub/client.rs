//! What a hub is asked, over HTTP.
//!
//! Redirects are followed here and not in the HTTP crate, because the token goes to the hub that it is for and to
//! nobody else: not along a redirect to another host, and not over a connection that others can read.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use etcetera::BaseStrategy;
use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body, Proxy};
use url::{Host, Origin, Url};

use super::contents::RemoteFile;
use super::hash::Expected;
use super::names::{Repo, Wanted, is_commit};
use super::transfer::{Progress, Tries, Trouble};

/// The hub where none is configured.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
const MOST_REDIRECTS: usize = 10;
/// A listing of tens of thousands of files has a few megabytes.
const MOST_LISTING_BYTES: u64 = 32 << 20;
const LONGEST_LISTING: Duration = Duration::from_secs(120);
const LONGEST_CONNECTING: Duration = Duration::from_secs(20);

/// How patient a pull is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Failures in a row that are put up with.
    pub retries: u32,
    /// A connection on which nothing came for so long is dead.
    pub stall: Duration,
}

/// A hub, and how to talk to it.
pub struct Client {
    agent: Agent,
    endpoint: Url,
    token: Option<Token>,
    /// How long to keep trying.
    pub patience: Patience,
}

/// A secret, so it has no Debug and no Display.
struct Token {
    value: String,
    /// The only place it is sent to.
    home: Origin,
}

/// What a hub says about one state of a repository.
pub struct Listing {
    /// Which state it is: 40 hexadecimal digits.
    pub commit: String,
    /// Its files, as they are named there: not to be used as paths unchecked.
    pub files: Vec<RemoteFile>,
}

impl Client {
    /// For the hub of `HF_ENDPOINT`, or that of an address; the token is that of `HF_TOKEN` or of the file where
    /// Hugging Face's own programs keep it, and belongs to the hub of `HF_ENDPOINT`.
    ///
    /// # Errors
    /// `HF_ENDPOINT` is no address, or the token holds what no header can.
    pub fn open(address: Option<&Url>, patience: Patience) -> anyhow::Result<Client> {
        let configured = configured_endpoint()?;
        let token = find_token()?.map(|value| Token { value, home: configured.origin() });
        let endpoint = match address {
            Some(address) if address.origin() != configured.origin() => address.clone(),
            _ => configured,
        };
        let proxy = if is_loopback(&endpoint) { None } else { Proxy::try_from_env() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(concat!("fathom/", env!("CARGO_PKG_VERSION")))
            // Bytes that were packed on the way could neither be counted nor resumed.
            .accept_encoding("identity")
            .timeout_resolve(Some(LONGEST_CONNECTING.min(patience.stall)))
            .timeout_connect(Some(LONGEST_CONNECTING.min(patience.stall)))
            .timeout_recv_response(Some(patience.stall))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .build();
        Ok(Client { agent: config.into(), endpoint, token, patience })
    }

    /// What there is of a model; the revision becomes a commit.
    ///
    /// # Errors
    /// The hub cannot be reached, refuses, or answers with something else than a listing.
    pub fn listing(&self, wanted: &Wanted, progress: &Progress) -> anyhow::Result<Listing> {
        let Repo { owner, name } = &wanted.repo;
        let mut url = self.below(&["api", "models", owner, name, "revision", wanted.revision()])?;
        url.set_query(Some("blobs=true"));
        let mut tries = Tries::new(self.patience.retries);
        loop {
            match self.try_listing(&url) {
                Ok(listing) => return Ok(listing),
                Err(trouble) => tries.wait(&wanted.to_string(), trouble, progress)?,
            }
        }
    }

    fn try_listing(&self, url: &Url) -> Result<Listing, Trouble> {
        let (response, _) = self.get(url, None, Some(LONGEST_LISTING))?;
        let text = response.into_body().into_with_config().limit(MOST_LISTING_BYTES).read_to_vec();
        let text = match text {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(ureq::Error::BodyExceedsLimit(most)) => {
                return Err(anyhow!("{} answers with more than {most} bytes", shown(url)).into());
            }
            Err(error) => return Err(self.trouble(url, error)),
        };
        Ok(read_listing(&text).with_context(|| format!("{} is no listing of a hub", shown(url)))?)
    }

    /// The address of a file.
    ///
    /// # Errors
    /// The endpoint cannot carry paths.
    pub fn file(&self, repo: &Repo, commit: &str, file: &str) -> anyhow::Result<Url> {
        self.below(&[&repo.owner, &repo.name, "resolve", commit, file])
    }

    fn below(&self, pieces: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.endpoint.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(pieces),
            Err(()) => bail!("HF_ENDPOINT {}: expected an address such as {DEFAULT_ENDPOINT}", self.endpoint),
        };
        Ok(url)
    }

    /// The answer to a request, from byte `from` on if the server honours that: 200, 206 or 416. Redirects are
    /// followed.
    pub fn get(
        &self,
        url: &Url,
        from: Option<u64>,
        limit: Option<Duration>,
    ) -> Result<(Response<Body>, Url), Trouble> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let sends_token = self.token.as_ref().filter(|token| token.may_go_to(&url));
            let mut request = self.agent.get(url.as_str());
            if let Some(token) = sends_token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.value));
            }
            if let Some(from) = from {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let request = request.config().timeout_global(limit).build();
            let response = request.call().map_err(|error| self.trouble(&url, error))?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    refuse_packed(&url, &response)?;
                    return Ok((response, url));
                }
                StatusCode::RANGE_NOT_SATISFIABLE if from.is_some() => return Ok((response, url)),
                status if status.is_redirection() => url = target(&url, &response)?,
                status => return Err(self.refusal(status, &url, &response, sends_token.is_some())),
            }
        }
        Err(anyhow!("{} redirects more than {MOST_REDIRECTS} times", shown(&url)).into())
    }

    fn refusal(&self, status: StatusCode, url: &Url, response: &Response<Body>, with_token: bool) -> Trouble {
        let host = url.host_str().unwrap_or_default();
        let code = status.as_u16();
        let token = match (&self.token, with_token) {
            (_, true) => "the token that was sent does not open it",
            (Some(token), _) if token.home == url.origin() => {
                "a token is there, but it is not sent over http: expected https"
            }
            _ => "no token was sent: set HF_TOKEN to one that may read it",
        };
        match code {
            429 | 500..=599 | 408 => {
                let wish = response.headers().get(header::RETRY_AFTER);
                let wish = wish.and_then(|wish| wish.to_str().ok()?.trim().parse().ok());
                let why = if code == 429 { "too many requests" } else { "the server has trouble" };
                Trouble::Passing(format!("{host} answers {code}, {why}"), wish.map(Duration::from_secs))
            }
            401 => anyhow!("{host} answers 401: no such model, or a private or gated one; {token}").into(),
            403 => anyhow!(
                "{host} answers 403: a gated model, for which access has to be asked for on its page; {token}"
            )
            .into(),
            404 => {
                anyhow!("{host} answers 404: {} is not there (a model, revision or file)", shown(url)).into()
            }
            _ => anyhow!("{} answers {code}: expected 200", shown(url)).into(),
        }
    }

    fn trouble(&self, url: &Url, error: ureq::Error) -> Trouble {
        let host = url.host_str().unwrap_or_default();
        match error {
            ureq::Error::Timeout(_) => {
                Trouble::passing(format!("{host}: nothing came for {} s", self.patience.stall.as_secs_f32()))
            }
            ureq::Error::HostNotFound => Trouble::passing(format!("there is no host {host}, or no network")),
            // What rustls says of a certificate comes as this kind, and will not change in a second.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                Trouble::Lasting(anyhow!("{host}: no secure connection: {error}"))
            }
            ureq::Error::Io(error) => Trouble::passing(match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                    format!("{host}: the connection was cut")
                }
                _ => format!("{host}: {error}"),
            }),
            ureq::Error::ConnectionFailed | ureq::Error::BodyStalled | ureq::Error::Protocol(_) => {
                Trouble::passing(format!("{host}: {error}"))
            }
            error => Trouble::Lasting(anyhow!("{}: {error}", shown(url))),
        }
    }

    /// What went wrong while a body was read.
    pub fn broken_body(&self, url: &Url, error: io::Error) -> Trouble {
        self.trouble(url, ureq::Error::from(error))
    }

    /// There is a token that this hub does not get, because others could read it on the way.
    pub fn withholds_token(&self) -> bool {
        let token = self.token.as_ref().filter(|token| token.home == self.endpoint.origin());
        token.is_some_and(|token| !token.may_go_to(&self.endpoint))
    }
}

impl Token {
    fn may_go_to(&self, url: &Url) -> bool {
        url.origin() == self.home && (url.scheme() == "https" || is_loopback(url))
    }
}

/// An address without what may be secret in it (the query of a signed one).
pub fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn target(url: &Url, response: &Response<Body>) -> anyhow::Result<Url> {
    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let to = to.with_context(|| format!("{} redirects to nowhere", shown(url)))?;
    let next = url.join(to).map_err(|error| anyhow!("{} redirects to {to:?}: {error}", shown(url)))?;
    match (url.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        (from, to) => bail!("{} redirects from {from} to {to}: not followed", shown(url)),
    }
}

fn refuse_packed(url: &Url, response: &Response<Body>) -> anyhow::Result<()> {
    match response.headers().get(header::CONTENT_ENCODING).map(|packing| packing.to_str().unwrap_or("?")) {
        None | Some("" | "identity") => Ok(()),
        Some(packing) => bail!("{} comes as {packing:?}: expected the file as it is", shown(url)),
    }
}

fn configured_endpoint() -> anyhow::Result<Url> {
    let text = env::var("HF_ENDPOINT").unwrap_or_default();
    let text = if text.trim().is_empty() { DEFAULT_ENDPOINT } else { text.trim() };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    url.with_context(|| format!("HF_ENDPOINT: expected an address such as {DEFAULT_ENDPOINT}"))
}

/// `HF_TOKEN`, else the file that Hugging Face's own programs write.
fn find_token() -> anyhow::Result<Option<String>> {
    let (value, place) = match env::var("HF_TOKEN").ok().filter(|value| !value.trim().is_empty()) {
        Some(value) => (value, "HF_TOKEN".to_owned()),
        None => match token_file().and_then(|file| Some((fs::read_to_string(&file).ok()?, file))) {
            Some((value, file)) => (value, file.display().to_string()),
            None => return Ok(None),
        },
    };
    let value = value.trim();
    if value.chars().any(|c| !c.is_ascii_graphic()) {
        bail!("{place} holds characters that no token has");
    }
    Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
}

fn token_file() -> Option<PathBuf> {
    let home = env::var_os("HF_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| {
        let xdg = env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()).map(PathBuf::from);
        let cache = xdg.or_else(|| Some(etcetera::choose_base_strategy().ok()?.home_dir().join(".cache")));
        Some(cache?.join("huggingface"))
    });
    Some(home?.join("token"))
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

fn read_listing(text: &str) -> anyhow::Result<Listing> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| {
        let start: String = text.chars().take(24).collect();
        anyhow!("expected JSON with sha and siblings, found {start:?}: {error}")
    })?;
    if !is_commit(&answer.sha) {
        let found: String = answer.sha.chars().take(48).collect();
        bail!("expected a commit of 40 hexadecimal digits, found {found:?}");
    }
    let files = answer.siblings.into_iter().map(|sibling| RemoteFile {
        bytes: sibling.lfs.as_ref().map(|lfs| lfs.size).or(sibling.size),
        expected: Expected::read(sibling.lfs.map(|lfs| lfs.sha256), sibling.blob_id),
        name: sibling.rfilename,
    });
    Ok(Listing { commit: answer.sha, files: files.collect() })
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn a_token_stays_with_its_hub() {
        let token = Token { value: "secret".to_owned(), home: url("https://hub.example").origin() };
        assert!(token.may_go_to(&url("https://hub.example/a/b")));
        for other in [
            "https://cdn.example/a",
            "http://hub.example/a",
            "https://hub.example:8443/a",
            "https://x.hub.example/",
        ] {
            assert!(!token.may_go_to(&url(other)), "{other}");
        }
        let local =
            |text: &str| Token { value: String::new(), home: url(text).origin() }.may_go_to(&url(text));
        assert!(
            local("http://127.0.0.1:8080") && local("http://localhost:8080") && local("http://[::1]:8080")
        );
        assert!(!local("http://hub.example") && !local("http://10.0.0.1"));
    }

    #[test]
    fn what_is_shown_of_an_address_is_no_secret() {
        assert_eq!(shown(&url("https://cdn.example/a?Signature=secret")), "https://cdn.example/a");
    }

    #[test]
    fn listings() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let listing = format!(
            r#"{{"sha": "{sha}", "more": 1, "siblings": [{{"rfilename": "config.json", "size": 3, "blobId": "{sha}"}},
                {{"rfilename": "x", "size": 9, "blobId": "{sha}", "lfs": {{"sha256": "{sha}", "size": 7, "pointerSize": 1}}}}]}}"#
        );
        let listing = read_listing(&listing).expect("a listing");
        assert_eq!((listing.commit.as_str(), listing.files.len()), (sha, 2));
        assert_eq!((listing.files[0].bytes, listing.files[1].bytes), (Some(3), Some(7)));
        // 40 digits are no sha256.
        assert!(listing.files[0].expected.is_some() && listing.files[1].expected.is_none());
        for bad in ["", "<!DOCTYPE html>", "{}", "[]", r#"{"sha": "../x", "siblings": []}"#] {
            assert!(read_listing(bad).is_err(), "{bad}");
        }
    }
}
