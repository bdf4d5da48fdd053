//! Crowds of callers that do not finish what they begin, beside a good one.

use tokio::net::{TcpSocket, TcpStream};

use super::*;

/// Where the crowd comes from; the good caller comes from the first address of the loopback
/// network, or from here as well.
const CROWD: [u8; 4] = [127, 0, 0, 2];

const GOOD: [u8; 4] = [127, 0, 0, 1];

async fn connect(from: [u8; 4], to: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(std::net::SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

async fn crowd(size: usize, to: std::net::SocketAddr, says: &str) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..size {
        let mut stream = connect(CROWD, to).await;
        // Some may have lost their place already.
        let _ = stream.write_all(says.as_bytes()).await;
        crowd.push(stream);
    }
    crowd
}

/// One request on a connection of its own.
async fn ask(from: [u8; 4], to: std::net::SocketAddr, request: &str) -> String {
    let mut stream = connect(from, to).await;
    let _ = stream.write_all(request.as_bytes()).await;
    read_all(&mut stream).await
}

fn closing(request: &str) -> String {
    request.replace("host: test\r\n", "host: test\r\nconnection: close\r\n")
}

/// Nothing ends by itself within the test.
const ENDLESS: Limits = Limits {
    request: Duration::from_hours(1),
    header: Duration::from_hours(1),
    idle: Duration::from_hours(1),
    ..LIMITS
};

#[tokio::test]
async fn connections_that_say_nothing_or_half_keep_nobody_out() {
    for says in ["", "GET /empty HT"] {
        let (address, _, _stop, _served) = server(ENDLESS).await;
        let mut resting = connect(GOOD, address).await;
        resting.write_all(get("/empty").as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        resting.read_exact(&mut answer).await.unwrap();

        let mut crowd = crowd(5 * ENDLESS.connections, address, says).await;
        for from in [GOOD, CROWD] {
            let answer = ask(from, address, &closing(&get("/empty"))).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        // The crowd lost its own, the oldest first.
        assert_eq!(read_all(&mut crowd[0]).await, "");
        resting
            .write_all(closing(&get("/empty")).as_bytes())
            .await
            .unwrap();
        assert!(read_all(&mut resting).await.contains("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn bodies_that_do_not_arrive_keep_nobody_out() {
    let limits = Limits {
        connections: 64,
        ..ENDLESS
    };
    let (address, _, _stop, _served) = server(limits).await;
    let unfinished = "PUT /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1]\r\n";
    let mut crowd = crowd(8 * limits.concurrent_requests, address, unfinished).await;
    for from in [GOOD, CROWD] {
        for request in [put("/echo", "[1]"), get("/empty")] {
            let answer = ask(from, address, &closing(&request)).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
    assert!(read_all(&mut crowd[0]).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn a_request_under_way_keeps_its_place() {
    let limits = Limits {
        connections: 1,
        ..ENDLESS
    };
    let (address, handler, _stop, _served) = server(limits).await;
    let mut busy = connect(GOOD, address).await;
    busy.write_all(closing(&get("/wait")).as_bytes()).await.unwrap();
    handler.begun.notified().await;
    for mut stream in crowd(3, address, "GET /empty HT").await {
        assert_eq!(read_all(&mut stream).await, "");
    }
    handler.go_on.notify_one();
    assert!(read_all(&mut busy).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn requests_that_only_ask_keep_nobody_out_either() {
    let limits = Limits {
        connections: 2,
        request: ENDLESS.request,
        ..crate::ops::LIMITS
    };
    let (address, _, _stop, _served) = server(limits).await;
    let mut crowd = crowd(6, address, &get("/stuck")).await;
    assert_eq!(read_all(&mut crowd[0]).await, "");
    for from in [GOOD, CROWD] {
        let answer = ask(from, address, &closing(&get("/empty"))).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn where_no_body_is_read_none_is_waited_for() {
    let stage = Stage::new(Limits {
        request: ENDLESS.request,
        ..crate::ops::LIMITS
    });
    let (mut stream, _served) = stage.connect(1 << 16);
    let unfinished = "GET /empty HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(unfinished.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));
}
