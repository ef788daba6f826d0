//! `fathom serve` over plain HTTP: every route, streams, many at once, and everything that is refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fathom_tests::gpt2_model;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{column, command, fathom};

/// How long anything may take here before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

struct Server {
    child: Child,
    address: String,
    _folder: Option<TempDir>,
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn read(stream: TcpStream) -> Reply {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                reader.read_line(&mut head).expect("a response") > 0,
                "the connection was closed: {head}"
            );
        }
        let mut bytes = vec![];
        reader.read_to_end(&mut bytes).expect("a body");
        let body = String::from_utf8(bytes).expect("UTF-8");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        Reply { status, head: head.to_lowercase(), body }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.body))
    }

    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// An error in OpenAI's form.
    #[track_caller]
    fn fails(&self, status: u16, code: &str, words: &[&str]) {
        let error = &self.json()["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(error["type"].is_string() && error.as_object().unwrap().contains_key("param"), "{error}");
        for word in words {
            assert!(self.body.contains(word), "`{word}` is not in {}", self.body);
        }
    }

    /// The objects of a stream.
    fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect(data)).collect()
    }
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut command = command();
        command.args(["serve", "--device", "cpu", "--port", "0"]).args(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut told = String::new();
        let address = loop {
            assert!(stderr.read_line(&mut told).expect("stderr") > 0, "it ended: {told}");
            if let Some((_, rest)) = told.split_once("http://") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
        };
        thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Server { child, address, _folder: None }
    }

    /// A model that talks until its window of 4096 is full, which takes long.
    fn slow(arguments: &[&str]) -> Server {
        let folder = gpt2_model(4096);
        let path = folder.path().display().to_string();
        let mut server = Server::start(&[&["-m", &path, "--alias", "slow"], arguments].concat());
        server._folder = Some(folder);
        server
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).expect("a request");
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        Reply::read(self.begin(method, path, headers, body))
    }

    fn begin(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        // HTTP/1.0, so that a stream comes without the lengths of its chunks.
        let (address, n) = (&self.address, body.len());
        self.send(&format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {n}\r\n{headers}\r\n{body}"
        ))
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "", "")
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, "Content-Type: application/json\r\n", &body.to_string())
    }

    fn begin_post(&self, path: &str, body: &Value) -> TcpStream {
        self.begin("POST", path, "Content-Type: application/json\r\n", &body.to_string())
    }

    /// A number that Prometheus would read.
    fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
    }

    fn wait_until(&self, name: &str, value: f64) {
        let began = Instant::now();
        while self.metric(name) != value {
            assert!(began.elapsed() < PATIENCE, "{name} is {}, not {value}", self.metric(name));
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().expect("kill").success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

const COMPLETIONS: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";

fn endless() -> Value {
    json!({ "prompt": [1, 2, 3], "ignore_eos": true, "depth": 6, "seed": 1 })
}

#[test]
fn every_route() {
    let server = Server::start(&["--cors", "https://example.org"]);
    let models = server.get("/v1/models").ok();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("beads")));
    assert_eq!(models["data"][0]["fathom"]["max_depth"], 16);
    assert_eq!(server.get("/v1/models/beads").ok()["object"], "model");
    server.get("/v1/models/gpt-4").fails(404, "model_not_found", &["gpt-4", "beads"]);
    server.get("/v1/nothing").fails(404, "unknown_url", &["GET /v1/nothing"]);
    server.get(CHAT).fails(405, "method_not_allowed", &["GET"]);
    assert!(server.get(CHAT).head.contains("allow: post"));
    let health = server.get("/health").ok();
    assert_eq!((&health["status"], &health["running"]), (&json!("ok"), &json!(0)));

    let alone = fathom(&["run", "--json", "7+5-3*4="]).json_lines();
    let n = alone.len() - 1;
    let body = json!({ "model": "beads", "prompt": "7+5-3*4=", "temperature": 0, "unknown_field": [1, {}] });
    let whole = server.post(COMPLETIONS, &body).ok();
    let choice = &whole["choices"][0];
    assert_eq!((&whole["object"], &choice["finish_reason"]), (&json!("text_completion"), &json!("stop")));
    let tokens = choice["fathom"]["tokens"].as_array().unwrap();
    for name in ["token", "depth", "steps_taken"] {
        assert_eq!(column(tokens, name), column(&alone[..n], name));
    }
    let texts = |lines: &[Value]| lines.iter().map(|line| line["text"].as_str().unwrap()).collect::<String>();
    assert_eq!(choice["text"], texts(&alone[..n]));
    assert_eq!(whole["usage"]["prompt_tokens"], 8);
    assert_eq!(whole["usage"]["completion_tokens"], n);
    let mean = column(&alone[..n], "depth").iter().sum::<u64>() as f64 / n as f64;
    assert!((whole["usage"]["mean_depth"].as_f64().unwrap() - mean).abs() < 0.001);

    let said = json!([{ "role": "system", "content": "" },
        { "role": "user", "content": [{ "type": "text", "text": "7+5-" }, { "type": "text", "text": "3*4=" }] }]);
    let chat = server.post(CHAT, &json!({ "messages": said })).ok();
    assert_eq!(
        chat["choices"][0]["message"]["content"], choice["text"],
        "of this model the likeliest tokens"
    );
    assert_eq!(chat["object"], "chat.completion");
    assert!(chat["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64() >= Some(7), "{chat}");

    let several =
        json!({ "prompt": ["7+5=", "8-9*3="], "n": 2, "temperature": 0, "echo": true, "max_tokens": 2 });
    let several = server.post(COMPLETIONS, &several).ok();
    let texts: Vec<&str> = several["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["7+5=27", "7+5=27", "8-9*3=79", "8-9*3=79"]);
    assert_eq!(several["choices"][3]["finish_reason"], "length");
    let nothing = server.post(COMPLETIONS, &json!({ "prompt": "7+5=", "max_tokens": 0, "echo": true })).ok();
    assert_eq!(
        (&nothing["choices"][0]["text"], &nothing["usage"]["completion_tokens"]),
        (&json!("7+5="), &json!(0))
    );

    let forced = server.post(COMPLETIONS, &json!({ "prompt": "7+5=", "depth": 3, "temperature": 0 })).ok();
    assert_eq!(forced["usage"]["mean_depth"], 3.0);
    let capped =
        server.post(COMPLETIONS, &json!({ "prompt": "7+5=", "max_depth": 2, "halt_bias": -100 })).ok();
    assert_eq!(capped["usage"]["mean_depth"], 2.0);

    let preflight = "Origin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n";
    let preflight = server.ask("OPTIONS", CHAT, preflight, "");
    assert!(
        preflight.head.contains("access-control-allow-origin: https://example.org"),
        "{}",
        preflight.head
    );

    let metrics = server.get("/metrics").body;
    for line in [
        "fathom_requests_total{route=\"/v1/completions\",status=\"200\"} 5",
        "fathom_requests_total{route=\"other\",status=\"404\"} 1",
        "fathom_running 0",
        "fathom_waiting 0",
        "fathom_token_depth_bucket{le=\"3.0\"}",
        "fathom_time_to_first_token_seconds_count 8",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    assert_eq!(server.metric("fathom_token_depth_count"), server.metric("fathom_generated_tokens_total"));
}

#[test]
fn streams_say_the_same_token_by_token() {
    let server = Server::start(&[]);
    let mut body = json!({ "prompt": "4-6+9*3-8+5*7=", "temperature": 0.8, "seed": -3, "n": 2 });
    let whole = server.post(COMPLETIONS, &body).ok();
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    let stream = server.post(COMPLETIONS, &body);
    assert!(stream.head.contains("content-type: text/event-stream"), "{}", stream.head);
    assert!(stream.body.ends_with("data: [DONE]\n\n"), "{}", stream.body);
    let events = stream.events();
    for index in 0..2 {
        let of_choice: Vec<&Value> = events
            .iter()
            .map(|event| &event["choices"][0])
            .filter(|choice| choice["index"] == index)
            .collect();
        let text: String = of_choice.iter().map(|choice| choice["text"].as_str().unwrap()).collect();
        let tokens: Vec<Value> = of_choice
            .iter()
            .filter(|choice| choice["fathom"].is_object())
            .map(|c| c["fathom"].clone())
            .collect();
        let expected = &whole["choices"][index];
        assert_eq!(expected["text"], text);
        for name in ["token", "depth", "steps_taken"] {
            assert_eq!(column(&tokens, name), column(expected["fathom"]["tokens"].as_array().unwrap(), name));
        }
        assert!(tokens.iter().all(|token| token["q_halt"].is_f64() && token["q_continue"].is_f64()));
        let reasons: Vec<&Value> = of_choice
            .iter()
            .map(|choice| &choice["finish_reason"])
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(reasons, [&expected["finish_reason"]]);
    }
    let last = events.last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["completion_tokens"]),
        (&json!([]), &whole["usage"]["completion_tokens"])
    );

    let said = json!([{ "role": "user", "content": "7+5=" }]);
    let chat = server.post(CHAT, &json!({ "messages": said, "stream": true, "stop": ["7"] })).events();
    assert_eq!(chat[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(chat[0]["object"], "chat.completion.chunk");
    let content: String =
        chat.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(content, "2", "27, cut before the 7");
    assert_eq!(chat.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

/// Eight at once in two slots: each answer is the one that `fathom run` gives.
#[test]
fn many_at_once_are_answered_as_if_alone() {
    let server = Server::start(&["--parallel", "2"]);
    let ask = |i: usize| {
        let prompt = ["7+5-3*4=", "8-9*3=", "4-6+9*3-8+5*7=", "1+1="][i % 4];
        let (seed, depth) = (i.to_string(), if i < 6 { None } else { Some((i - 3).to_string()) });
        let mut body = json!({ "prompt": prompt, "temperature": 0.9, "seed": i });
        let mut run = vec!["run", "--json", "--temp", "0.9", "--seed", &seed, prompt];
        if let Some(depth) = &depth {
            body["depth"] = json!(i - 3);
            run.extend(["--depth", depth]);
        }
        (server.post(COMPLETIONS, &body).ok(), fathom(&run).json_lines())
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || ask(i))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    for (together, alone) in answers {
        let tokens = together["choices"][0]["fathom"]["tokens"].as_array().unwrap();
        for name in ["token", "depth", "steps_taken"] {
            assert_eq!(column(tokens, name), column(&alone[..alone.len() - 1], name));
        }
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let server = Server::start(&["--parallel", "1", "--queue", "1", "--max-body", "2000"]);
    let wrong = |body: Value, param: &str, words: &[&str]| {
        let reply = server.post(COMPLETIONS, &body);
        reply.fails(400, "invalid_value", words);
        assert_eq!(reply.json()["error"]["param"], param, "{}", reply.body);
    };
    wrong(json!({}), "prompt", &["missing"]);
    wrong(json!({ "prompt": "" }), "prompt", &["empty"]);
    wrong(json!({ "prompt": [] }), "prompt", &["empty"]);
    wrong(json!({ "prompt": "hello" }), "prompt", &["no token for"]);
    wrong(json!({ "prompt": [99999] }), "prompt", &["99999", "not in the vocabulary"]);
    wrong(json!({ "prompt": 5 }), "prompt", &["expected a string"]);
    wrong(json!({ "prompt": "1+1=", "max_tokens": "many" }), "max_tokens", &["many"]);
    wrong(json!({ "prompt": "1+1=", "max_tokens": -1 }), "max_tokens", &["-1"]);
    wrong(json!({ "prompt": "1+1=", "temperature": -1 }), "temperature", &["0 or above"]);
    wrong(json!({ "prompt": "1+1=", "temperature": 1e39 }), "temperature", &["inf"]);
    wrong(json!({ "prompt": "1+1=", "top_p": 2 }), "top_p", &["at most 1"]);
    wrong(json!({ "prompt": "1+1=", "seed": 0.5 }), "seed", &["0.5"]);
    wrong(json!({ "prompt": "1+1=", "stop": ["a", ""] }), "stop", &["empty"]);
    wrong(json!({ "prompt": "1+1=", "depth": 0 }), "depth", &["at least 1"]);
    wrong(json!({ "prompt": "1+1=", "depth": 17 }), "depth", &["at most 16"]);
    wrong(json!({ "prompt": "1+1=", "max_depth": 17 }), "max_depth", &["at most 16"]);
    wrong(json!({ "prompt": "1+1=", "min_depth": 3, "max_depth": 2 }), "min_depth", &["above"]);
    wrong(json!({ "prompt": "1+1=", "depth": 3, "max_depth": 3 }), "depth", &["cannot go with"]);
    wrong(json!({ "prompt": "1+1=", "n": 3 }), "n", &["from 1 to 2"]);
    wrong(json!({ "prompt": "1+1=", "n": 0 }), "n", &["found 0"]);
    wrong(
        json!({ "prompt": "1+1=", "stream_options": { "include_usage": 1 } }),
        "stream_options.include_usage",
        &[],
    );
    for (field, value) in [
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(-1)),
        ("logprobs", json!(3)),
        ("best_of", json!(2)),
        ("logit_bias", json!({ "5": 1 })),
        ("suffix", json!("x")),
    ] {
        let reply = server.post(COMPLETIONS, &json!({ "prompt": "1+1=", field: value }));
        reply.fails(400, "unsupported_parameter", &[field, "not supported"]);
    }
    let fine =
        json!({ "prompt": "1+1=", "frequency_penalty": 0, "logprobs": null, "best_of": 1, "stop": null });
    server.post(COMPLETIONS, &fine).ok();

    let said = |role: &str, content: Value| json!({ "messages": [{ "role": role, "content": content }] });
    server.post(CHAT, &json!({})).fails(400, "invalid_value", &["messages is missing"]);
    server.post(CHAT, &json!({ "messages": [] })).fails(400, "invalid_value", &["at least one"]);
    server.post(CHAT, &said("tool", json!("x"))).fails(400, "invalid_value", &["messages[0].role", "tool"]);
    server.post(CHAT, &said("user", json!(null))).fails(400, "invalid_value", &["messages[0].content"]);
    let image = json!([{ "type": "image_url", "image_url": {} }]);
    server.post(CHAT, &said("user", image)).fails(400, "invalid_value", &["image_url"]);

    server.post(COMPLETIONS, &json!({ "model": "gpt-4", "prompt": "1" })).fails(
        404,
        "model_not_found",
        &["gpt-4"],
    );
    let window = server.get("/v1/models").json()["data"][0]["fathom"]["context_length"].as_u64().unwrap();
    let long = "1+".repeat(window as usize / 2 + 1);
    let words = [format!("{window} tokens"), format!("{} tokens", long.len())];
    let too_long = server.post(COMPLETIONS, &json!({ "prompt": long }));
    too_long.fails(400, "context_length_exceeded", &[&words[0], &words[1]]);
    server.post(COMPLETIONS, &json!({ "prompt": "1".repeat(2000) })).fails(
        413,
        "body_too_large",
        &["2000 bytes"],
    );

    let typed = "Content-Type: application/json\r\n";
    for broken in ["", "{", "{\"prompt\": \"1\"} x", "[]", "{\"prompt\": \"\u{0}\"}"] {
        server.ask("POST", COMPLETIONS, typed, broken).fails(400, "invalid_value", &["the body"]);
    }
    server.ask("POST", COMPLETIONS, "", "{}").fails(415, "unsupported_media_type", &["application/json"]);
    let stranger = server.send("GET /v1/models HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
    Reply::read(stranger).fails(403, "forbidden_host", &["example.org"]);
    assert_eq!(server.metric("fathom_running"), 0.0);
}

#[test]
fn only_who_has_the_key() {
    let server = Server::start(&["--api-key", "open sesame", "--host", "localhost"]);
    server.get("/v1/models").fails(401, "invalid_api_key", &["Authorization"]);
    server.get("/metrics").fails(401, "invalid_api_key", &[]);
    server.get("/nowhere").fails(401, "invalid_api_key", &[]);
    assert_eq!(server.get("/health").status, 200);
    server.ask("GET", "/v1/models", "Authorization: Bearer open\r\n", "").fails(
        401,
        "invalid_api_key",
        &["not the one"],
    );
    server.ask("GET", "/v1/models", "Authorization: Bearer open sesame\r\n", "").ok();
}

#[test]
fn flags_that_cannot_be() {
    let serve = |arguments: &[&str]| fathom(&[&["serve", "--port", "0"], arguments].concat());
    serve(&["--host", "0.0.0.0"]).fails(2, &["--api-key", "--no-api-key", "0.0.0.0"]);
    serve(&["--host", "::"]).fails(2, &["--no-api-key"]);
    serve(&["--api-key", ""]).fails(2, &["--api-key"]);
    serve(&["--api-key", "a", "--no-api-key"]).fails(2, &["--no-api-key"]);
    serve(&["--parallel", "0"]).fails(2, &["--parallel"]);
    serve(&["--timeout", "-1"]).fails(2, &["--timeout"]);
    serve(&["--cors", "here"]).fails(2, &["--cors", "https://example.org"]);
    serve(&["--depth", "17"]).fails(2, &["at most 16"]);
    serve(&["--temp", "-1"]).fails(2, &["temperature"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fathom(&["serve", "--port", &port]).fails(1, &["--port", &port]);
}

#[test]
fn one_too_many_waits_elsewhere_and_who_goes_frees_the_slot() {
    let server = Server::slow(&["--parallel", "1", "--queue", "1"]);
    let mut body = endless();
    body["stream"] = json!(true);
    let first = server.begin_post(COMPLETIONS, &body);
    server.wait_until("fathom_running", 1.0);
    let second = server.begin_post(COMPLETIONS, &endless());
    server.wait_until("fathom_waiting", 1.0);
    let refused = server.post(COMPLETIONS, &endless());
    refused.fails(429, "rate_limit_exceeded", &["all 2 places"]);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);

    // The one that waits goes away, then the one that runs; both are noticed.
    drop(second);
    server.wait_until("fathom_waiting", 0.0);
    let mut reader = BufReader::new(first);
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
    }
    drop(reader);
    server.wait_until("fathom_running", 0.0);
    assert_eq!(server.metric("fathom_cancelled_total"), 2.0);
    let made = server.metric("fathom_generated_tokens_total");
    assert!(made < 4000.0, "{made} tokens were made, it was not cancelled");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.metric("fathom_generated_tokens_total"), made);
    // One that does not stream is cancelled as well.
    let whole = server.begin_post(COMPLETIONS, &endless());
    server.wait_until("fathom_running", 1.0);
    drop(whole);
    server.wait_until("fathom_running", 0.0);
    let short = json!({ "prompt": "Once", "max_tokens": 2, "ignore_eos": true });
    assert_eq!(server.post(COMPLETIONS, &short).ok()["usage"]["completion_tokens"], 2);
}

#[test]
fn a_request_has_its_time() {
    let server = Server::slow(&["--parallel", "1", "--timeout", "0.7"]);
    let late = server.post(COMPLETIONS, &endless());
    late.fails(504, "timeout", &["--timeout"]);
    assert!(late.head.contains("x-should-retry: false"));
    let mut body = endless();
    body["stream"] = json!(true);
    let late = server.post(COMPLETIONS, &body);
    assert_eq!(late.status, 200);
    assert_eq!(late.events().last().unwrap()["error"]["code"], "timeout");
    assert!(!late.body.contains("[DONE]"));
    server.wait_until("fathom_running", 0.0);
    assert_eq!(server.metric("fathom_cancelled_total"), 2.0);
}

/// In the authors' template, whose next turn begins as the turn before and its answer.
#[test]
fn a_conversation_reads_only_what_is_new() {
    let server = Server::slow(&["--parallel", "2"]);
    let mut said = vec![json!({ "role": "user", "content": "Hello, who are you?" })];
    let mut body = json!({ "messages": said, "max_tokens": 5, "temperature": 0 });
    let first = server.post(CHAT, &body).ok();
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    said.push(json!({ "role": "assistant", "content": first["choices"][0]["message"]["content"] }));
    said.push(json!({ "role": "user", "content": "And?" }));
    body["messages"] = json!(said);
    let second = server.post(CHAT, &body).ok();
    let n_cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    // All but what stands where the answer begins: "Assistant:" and a space, which belongs to the next word.
    assert!(n_cached + 2 >= first["usage"]["prompt_tokens"].as_u64().unwrap(), "{second}");
}

#[cfg(unix)]
#[test]
fn a_stop_lets_what_runs_finish() {
    let mut server = Server::slow(&["--parallel", "1"]);
    let mut body = endless();
    body["max_tokens"] = json!(200);
    let running = server.begin_post(COMPLETIONS, &body);
    server.wait_until("fathom_running", 1.0);
    server.signal("-TERM");
    let began = Instant::now();
    while TcpStream::connect(&server.address).is_ok() {
        assert!(began.elapsed() < PATIENCE, "it still takes connections");
        thread::sleep(Duration::from_millis(10));
    }
    let whole = Reply::read(running).ok();
    assert_eq!(whole["usage"]["completion_tokens"], 200);
    assert_eq!(server.exit_code(), Some(0));

    let mut server = Server::slow(&["--grace", "0.5"]);
    let running = server.begin_post(COMPLETIONS, &endless());
    server.wait_until("fathom_running", 1.0);
    server.signal("-INT");
    assert_eq!(server.exit_code(), Some(0), "the time of grace is over");
    drop(running);

    let mut server = Server::slow(&[]);
    let running = server.begin_post(COMPLETIONS, &endless());
    server.wait_until("fathom_running", 1.0);
    server.signal("-TERM");
    thread::sleep(Duration::from_millis(200));
    server.signal("-TERM");
    assert_eq!(server.exit_code(), Some(130), "a second signal");
    drop(running);
}
