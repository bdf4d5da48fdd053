//! What a caller can do to a server, over streams in memory and with time that is moved by hand.

mod bodies;
mod crowds;

use std::{io, pin::pin};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;

const LIMITS: Limits = Limits {
    body: 16,
    bodies: 1 << 20,
    request: Duration::from_millis(800),
    header: Duration::from_secs(5),
    idle: Duration::from_mins(1),
    handshake: Duration::from_secs(5),
    write: Duration::from_secs(10),
    silent: 8,
    connections: 8,
    handshakes: 8,
    concurrent_requests: 2,
    interruptible: false,
    drain: Duration::from_secs(3),
};

/// Does what the path says.
#[derive(Default)]
struct Scripted {
    begun: Notify,
    go_on: Notify,
}

impl Handler for Scripted {
    async fn handle(&self, request: Request<Bytes>) -> Response<Pieces> {
        match request.uri().path() {
            "/empty" => answer::empty(StatusCode::OK),
            "/echo" => answer::json(StatusCode::OK, request.into_body()),
            "/large" => answer::json(StatusCode::OK, vec![b'1'; 1 << 20]),
            "/wait" => {
                self.begun.notify_one();
                self.go_on.notified().await;
                answer::json(StatusCode::OK, "true")
            }
            "/stuck" => std::future::pending().await,
            _ => panic!("a defect"),
        }
    }
}

struct Stage {
    shared: Arc<connection::Shared<Scripted>>,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let shared = connection::Shared::new(
            "device",
            Security::Plain,
            limits,
            Arc::default(),
            Arc::default(),
            CancellationToken::new(),
        );
        Self {
            shared: Arc::new(shared),
        }
    }

    fn connect(&self, capacity: usize) -> (DuplexStream, JoinHandle<()>) {
        let (ours, theirs) = duplex(capacity);
        let shared = Arc::clone(&self.shared);
        let served = tokio::spawn(async move { connection::serve(&shared, theirs, somebody()).await });
        (ours, served)
    }

    fn counted(&self, line: &str) -> bool {
        let text = self.shared.metrics.encode().unwrap();
        text.lines().any(|found| found == line)
    }
}

/// A caller with a place that nobody else wants.
fn somebody() -> tenure::Caller {
    let source = seats::Source::Local;
    let seat = Seats::new(1).take(source).seat().unwrap();
    tenure::Caller::new(source, tenure::Tenure::Place(seat, false))
}

/// Reads until the connection is closed.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Reads one answer with a short body.
async fn answer_of(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap();
            if body.len() >= length.parse().unwrap() {
                return text;
            }
        }
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

fn put(path: &str, body: &str) -> String {
    format!(
        "PUT {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Notes the size of each write.
struct Noting(DuplexStream, Arc<std::sync::Mutex<Vec<usize>>>);

impl tokio::io::AsyncRead for Noting {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        pin!(&mut self.0).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Noting {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.1.lock().unwrap().push(buffer.len());
        pin!(&mut self.0).poll_write(cx, buffer)
    }
    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        pin!(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        pin!(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn answers_are_written_in_as_few_pieces_as_a_buffer_takes_and_always_have_a_length() {
    let stage = Stage::new(LIMITS);
    let (mut stream, theirs) = duplex(1 << 21);
    let writes = Arc::default();
    let noting = Noting(theirs, Arc::clone(&writes));
    let shared = Arc::clone(&stage.shared);
    tokio::spawn(async move { connection::serve(&shared, noting, somebody()).await });
    for (request, end) in [
        (get("/empty"), "content-length: 0\r\n"),
        (put("/echo", "[1]"), "\r\n\r\n[1]"),
        (get("/large"), "111"),
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer_of(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(end));
        let written: Vec<usize> = std::mem::take(&mut writes.lock().unwrap());
        assert_eq!(written.iter().sum::<usize>(), answer.len());
        let (_, full) = written.split_last().unwrap();
        assert!(
            full.iter().all(|&length| length >= connection::BUFFER),
            "{written:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_announced_or_not() {
    let stage = Stage::new(LIMITS);
    let chunked = "PUT /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n11\r\n01234567890123456\r\n0\r\n\r\n";
    for request in [put("/echo", "01234567890123456"), chunked.to_owned()] {
        let (mut stream, _served) = stage.connect(1 << 16);
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("content-type: application/json") && answer.contains("connection: close"));
        assert!(
            answer.ends_with(r#"{"message":"the body must not be longer than 16 bytes"}"#),
            "{answer}"
        );
    }
    assert!(stage.counted(r#"edge_config_limit_hits_total{plane="device",limit="body_size"} 2"#));
    let (mut stream, _served) = stage.connect(1 << 16);
    stream
        .write_all(put("/echo", "0123456789012345").as_bytes())
        .await
        .unwrap();
    assert!(answer_of(&mut stream).await.ends_with("\r\n\r\n0123456789012345"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_is_answered_for() {
    let stage = Stage::new(LIMITS);
    let (mut stream, _served) = stage.connect(1 << 16);
    stream.write_all(get("/stuck").as_bytes()).await.unwrap();
    let begun = Instant::now();
    let answer = answer_of(&mut stream).await;
    assert_eq!(begun.elapsed().as_millis() / 10, 80);
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains(r#"{"message":"#),
        "{answer}"
    );
    stream.write_all(get("/empty").as_bytes()).await.unwrap();
    assert!(
        answer_of(&mut stream).await.starts_with("HTTP/1.1 200 "),
        "the connection goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_ends_with_the_request() {
    let stage = Stage::new(LIMITS);
    let (mut stream, _served) = stage.connect(1 << 16);
    stream
        .write_all(b"PUT /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n")
        .await
        .unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let trickle = tokio::spawn(async move {
        // More than the server may wait for, and an end for a server that does.
        for _ in 0..1000 {
            if writer.write_all(b"1").await.is_err() {
                return;
            }
            sleep(Duration::from_millis(300)).await;
        }
    });
    let mut answer = String::new();
    let _ = reader.read_to_string(&mut answer).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"),
        "{answer}"
    );
    drop(reader);
    trickle.abort();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_ends_the_connection() {
    let stage = Stage::new(LIMITS);
    let (mut stream, served) = stage.connect(1 << 16);
    let begun = Instant::now();
    for byte in get("/empty").bytes().cycle() {
        if stream.write_all(&[byte]).await.is_err() || served.is_finished() {
            break;
        }
        // Slower than any limit on the time between two bytes would forgive, faster than the idle
        // time.
        sleep(Duration::from_secs(1)).await;
        assert!(begun.elapsed() < Duration::from_secs(7));
    }
    served.await.unwrap();
    assert!(stage.counted(r#"edge_config_limit_hits_total{plane="device",limit="connection_time"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let stage = Stage::new(LIMITS);
    let (mut idle, served) = stage.connect(1 << 16);
    let begun = Instant::now();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(begun.elapsed().as_secs(), 60);
    served.await.unwrap();

    let (mut used, _served) = stage.connect(1 << 16);
    for _ in 0..4 {
        sleep(Duration::from_secs(40)).await;
        used.write_all(get("/empty").as_bytes()).await.unwrap();
        assert!(answer_of(&mut used).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_when_it_is_idle_after_any_request() {
    let stage = Stage::new(LIMITS);
    let unfinished = "PUT /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 15\r\n\r\n0123".to_owned();
    for (request, status) in [
        (get("/empty"), 200),
        (put("/echo", "[1]"), 200),
        (put("/echo", "01234567890123456"), 413),
        (get("/stuck"), 503),
        (get("/panic"), 500),
        (unfinished, 408),
    ] {
        let (mut stream, served) = stage.connect(1 << 16);
        stream.write_all(request.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(begun.elapsed() <= LIMITS.idle + LIMITS.request + Duration::from_millis(10));
        served.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_take_its_answer_is_cut() {
    let stage = Stage::new(LIMITS);
    let (mut stream, served) = stage.connect(1024);
    stream.write_all(get("/large").as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut taken = [0; 1];
    // A byte now and then does not renew the time.
    while !served.is_finished() {
        sleep(Duration::from_secs(1)).await;
        let _ = stream.read(&mut taken).await;
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}

/// Takes so many bytes a second, to the end of the answer or of the connection; how many it took.
async fn take_slowly(stream: &mut DuplexStream, a_second: usize, all: usize) -> usize {
    let (mut taken, mut buffer) = (0, vec![0; a_second]);
    while taken < all {
        sleep(Duration::from_secs(1)).await;
        let mut now = 0;
        while now < a_second && taken < all {
            let read = stream.read(&mut buffer[now..]).await.unwrap_or(0);
            if read == 0 {
                return taken;
            }
            now += read;
            taken += read;
        }
    }
    taken
}

/// More than a buffer at a time does not renew it either.
#[tokio::test(start_paused = true)]
async fn all_of_an_answer_has_one_time_and_the_next_answer_one_of_its_own() {
    let stage = Stage::new(LIMITS);
    let (mut stream, served) = stage.connect(4 * connection::BUFFER);
    stream.write_all(get("/large").as_bytes()).await.unwrap();
    let taken = take_slowly(&mut stream, 2 * connection::BUFFER, 1 << 20).await;
    assert!((1 << 18..1 << 20).contains(&taken), "{taken}");
    served.await.unwrap();

    let (mut stream, _served) = stage.connect(1024);
    for _ in 0..3 {
        stream.write_all(get("/large").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let taken = take_slowly(&mut stream, 5 * connection::BUFFER, 1 << 20).await;
        assert_eq!(taken, 1 << 20, "in seven of ten seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn further_requests_renew_no_time_of_an_answer_that_is_not_taken() {
    let stage = Stage::new(LIMITS);
    let (mut stream, served) = stage.connect(64);
    let begun = Instant::now();
    while !served.is_finished() {
        let _ = stream.write_all(get("/empty").as_bytes()).await;
        sleep(Duration::from_secs(4)).await;
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_may_be_under_way_are_told_to_come_back() {
    let stage = Stage::new(LIMITS);
    let (mut first, _a) = stage.connect(1 << 16);
    let (mut second, _b) = stage.connect(1 << 16);
    let (mut third, _c) = stage.connect(1 << 16);
    for stream in [&mut first, &mut second] {
        stream.write_all(get("/wait").as_bytes()).await.unwrap();
        stage.shared.handler.begun.notified().await;
    }
    third.write_all(get("/empty").as_bytes()).await.unwrap();
    let answer = rest(&mut third).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"),
        "{answer}"
    );
    stage.shared.handler.go_on.notify_one();
    stage.shared.handler.go_on.notify_one();
    let mut first = pin!(answer_of(&mut first));
    assert!(first.as_mut().await.ends_with("true"));
    assert!(answer_of(&mut second).await.ends_with("true"));
}

#[tokio::test]
async fn a_defect_of_a_handler_is_one_answer() {
    let stage = Stage::new(LIMITS);
    let (mut stream, _served) = stage.connect(1 << 16);
    stream.write_all(get("/panic").as_bytes()).await.unwrap();
    let answer = answer_of(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && !answer.contains("a defect\""),
        "{answer}"
    );
    assert!(stage.counted(r#"edge_config_panics_total{plane="device"} 1"#));
    stream.write_all(get("/empty").as_bytes()).await.unwrap();
    assert!(answer_of(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn other_versions_of_http_are_refused() {
    let stage = Stage::new(LIMITS);
    let (mut stream, _served) = stage.connect(1 << 16);
    stream
        .write_all(b"GET /empty HTTP/1.0\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.contains(" 505 ") && answer.contains(r#"{"message":"#),
        "{answer}"
    );
    let (mut stream, served) = stage.connect(1 << 16);
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    assert!(!rest(&mut stream).await.contains(" 200 "));
    served.await.unwrap();
}

/// A server on a real socket, for what concerns accepting.
async fn server(
    limits: Limits,
) -> (
    std::net::SocketAddr,
    Arc<Scripted>,
    CancellationToken,
    JoinHandle<()>,
) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, handler) = (listener.local_addr().unwrap(), Arc::new(Scripted::default()));
    let server = Server {
        plane: "device",
        listener: Listener::Tcp(listener),
        security: Security::Plain,
        limits,
        handler: Arc::clone(&handler),
        metrics: Arc::new(Metrics::default()),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.serve(stop.clone()));
    (address, handler, stop, task)
}

async fn read_all(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_its_seat_is_free_again_later() {
    let (address, handler, _stop, _served) = server(Limits {
        connections: 1,
        ..LIMITS
    })
    .await;
    let connect = || async { tokio::net::TcpStream::connect(address).await.unwrap() };
    let mut first = connect().await;
    first.write_all(get("/wait").as_bytes()).await.unwrap();
    handler.begun.notified().await;
    let mut second = connect().await;
    second.write_all(get("/empty").as_bytes()).await.unwrap();
    assert_eq!(read_all(&mut second).await, "");
    handler.go_on.notify_one();
    drop(first);
    loop {
        let mut next = connect().await;
        let _ = next
            .write_all(b"GET /empty HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            .await;
        if read_all(&mut next).await.starts_with("HTTP/1.1 200 ") {
            break;
        }
    }
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_closes_what_is_idle() {
    let (address, handler, stop, served) = server(LIMITS).await;
    let mut idle = tokio::net::TcpStream::connect(address).await.unwrap();
    idle.write_all(get("/empty").as_bytes()).await.unwrap();
    let mut head = [0; 16];
    idle.read_exact(&mut head).await.unwrap();
    let mut busy = tokio::net::TcpStream::connect(address).await.unwrap();
    busy.write_all(get("/wait").as_bytes()).await.unwrap();
    handler.begun.notified().await;

    stop.cancel();
    read_all(&mut idle).await;
    assert!(!served.is_finished());
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "nothing is accepted any more"
    );
    handler.go_on.notify_one();
    let answer = read_all(&mut busy).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"),
        "{answer}"
    );
    served.await.unwrap();
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_finish() {
    let limits = Limits {
        request: Duration::from_hours(1),
        drain: Duration::from_millis(1),
        ..LIMITS
    };
    let (address, handler, stop, served) = server(limits).await;
    let mut busy = tokio::net::TcpStream::connect(address).await.unwrap();
    busy.write_all(get("/wait").as_bytes()).await.unwrap();
    handler.begun.notified().await;
    stop.cancel();
    served.await.unwrap();
    assert_eq!(read_all(&mut busy).await, "");
}
