//! How bodies share their room.

use super::*;

/// So much room, and bodies of up to four times that.
const ROOM: usize = 64 * 1024;

const ROOMY: Limits = Limits {
    body: 4 * ROOM,
    bodies: ROOM,
    concurrent_requests: 64,
    ..LIMITS
};

/// A body of this length, of which so many bytes are sent.
fn begun(length: usize, sent: usize) -> String {
    format!(
        "PUT /echo HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{}",
        "1".repeat(sent)
    )
}

async fn until_taken(stage: &Stage, taken: impl Fn(usize) -> bool) {
    while !taken(ROOM - stage.shared.room.free()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_holds_what_has_arrived_of_it_and_nothing_once_it_is_gone() {
    let stage = Stage::new(ROOMY);
    let (mut stream, served) = stage.connect(1 << 20);
    stream
        .write_all(begun(3 * SMALL, SMALL / 2).as_bytes())
        .await
        .unwrap();
    // Announced is nothing.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.shared.room.free(), ROOM);
    stream.write_all(&[b'1'; SMALL]).await.unwrap();
    until_taken(&stage, |taken| (SMALL / 2..=2 * SMALL).contains(&taken)).await;
    drop(stream);
    served.await.unwrap();
    assert_eq!(stage.shared.room.free(), ROOM);
}

#[tokio::test]
async fn where_there_is_no_room_large_bodies_come_again_and_small_ones_arrive() {
    let stage = Stage::new(ROOMY);
    let (mut held, _held) = stage.connect(1 << 20);
    held.write_all(begun(2 * ROOM, ROOM + SMALL).as_bytes())
        .await
        .unwrap();
    until_taken(&stage, |taken| taken > ROOM / 2).await;

    let (mut large, _large) = stage.connect(1 << 20);
    large
        .write_all(begun(4 * ROOM, 4 * ROOM).as_bytes())
        .await
        .unwrap();
    let answer = rest(&mut large).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1\r\n"),
        "{answer}"
    );
    assert!(stage.counted(r#"edge_config_limit_hits_total{plane="device",limit="body_memory"} 1"#));

    let (mut small, _small) = stage.connect(1 << 20);
    small.write_all(begun(SMALL, SMALL).as_bytes()).await.unwrap();
    assert!(answer_of(&mut small).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_body_in_a_thousand_pieces_is_one() {
    let stage = Stage::new(ROOMY);
    let (mut stream, _served) = stage.connect(1 << 20);
    let pieces = "1\r\n1\r\n".repeat(1000);
    let request =
        format!("PUT /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n{pieces}0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(answer_of(&mut stream).await.ends_with(&"1".repeat(1000)));
    assert_eq!(stage.shared.room.free(), ROOM);
}
