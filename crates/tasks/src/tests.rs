use std::{
    io,
    panic::{catch_unwind, panic_any},
};

use super::*;

const NAME: &str = "the watch";

/// Panics by a text that is made only then.
fn defect(text: &str) {
    panic!("a defect: {text}");
}

/// Ends a task in this way before it was to.
async fn ended<W>(work: W) -> Ended
where
    W: Future<Output: Outcome + Send> + Send + 'static,
{
    let tasks = Tasks::default();
    assert_eq!(tasks.early(), None);
    tasks.start(NAME, &CancellationToken::new(), work);
    let ended = tasks.ended().await;
    assert_eq!(tasks.early().as_ref(), Some(&ended));
    assert_eq!(
        tasks.ended().await,
        ended,
        "it is told to whoever asks later, too"
    );
    assert_eq!(tasks.outcome(), Err(ended.clone()));
    assert_eq!(ended.task, NAME);
    ended
}

#[tokio::test]
async fn a_task_ends_early_in_each_way_that_there_is() {
    assert_eq!(ended(async {}).await.reason, "it returned");
    assert_eq!(
        ended(async { Ok::<_, io::Error>(()) }).await.reason,
        "it returned"
    );
    let failed = ended(async { Err::<(), _>(io::Error::other("no signals")) }).await;
    assert_eq!(failed.reason, "no signals");
    let panicked = ended(async { defect("no room") }).await;
    assert_eq!(panicked.reason, "it panicked: a defect: no room");
}

#[test]
fn what_a_panic_said_is_read_in_each_of_its_forms() {
    let said = |panics: fn()| {
        let panic = catch_unwind(panics).unwrap_err();
        panic_message(&*panic).to_owned()
    };
    assert_eq!(said(|| panic!("no room")), "no room");
    assert_eq!(said(|| defect("no room")), "a defect: no room");
    assert_eq!(said(|| panic_any(7)), "(no message)");
}

#[tokio::test]
async fn an_aborted_task_has_ended_early() {
    let (tasks, until) = (Tasks::default(), CancellationToken::new());
    tasks.start_endless(NAME, &until, pending::<()>());
    tasks.start_endless("another", &until, pending::<()>());
    assert_eq!(tasks.names(), ["another", NAME]);
    tasks.abort(NAME);
    assert_eq!(tasks.ended().await.reason, "it was aborted");
    assert_eq!(tasks.names(), ["another"]);
}

#[tokio::test]
async fn an_end_that_is_due_is_none_and_a_failure_is_one_at_any_time() {
    let (tasks, until) = (Tasks::default(), CancellationToken::new());
    let end = until.clone();
    let returns = tasks.start(NAME, &until, async move { end.cancelled().await });
    let endless = tasks.start_endless("an endless one", &until, pending::<()>());
    let aborted = tasks.start("an aborted one", &until, pending::<()>());
    until.cancel();
    tasks.abort("an aborted one");
    for handle in [returns, endless, aborted] {
        handle.await.unwrap();
    }
    assert_eq!(tasks.outcome(), Ok(()));
    assert!(tasks.names().is_empty());

    tasks.start(NAME, &until, async { defect("late") }).await.unwrap();
    tasks
        .start("another", &until, async { Err::<(), _>("later") })
        .await
        .unwrap();
    let first = tasks.early().unwrap();
    assert_eq!(
        (first.task, &*first.reason),
        (NAME, "it panicked: a defect: late")
    );
}

#[tokio::test]
async fn whoever_waits_for_a_task_hears_of_its_panic_before() {
    let tasks = Tasks::default();
    let waited = tasks.start(NAME, &CancellationToken::new(), async { defect("early") });
    waited.await.unwrap();
    assert!(tasks.early().is_some());
}

#[tokio::test]
async fn an_early_end_is_logged_once_with_name_and_reason_as_fields() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = telemetry::subscriber(telemetry::Format::Json, "info", move || writer.clone(), false);
    let _guard = tracing::subscriber::set_default(subscriber);
    ended(async { Err::<(), _>("no signals") }).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(
        (&line["task"], &line["reason"]),
        (&NAME.into(), &"no signals".into())
    );
}

#[test]
fn what_is_told_names_the_task_and_only_the_error_says_why() {
    let ended = Ended {
        task: NAME,
        reason: "it panicked: device-7".to_owned(),
    };
    assert!(ended.sentence().starts_with("the watch has ended"));
    assert!(!ended.sentence().contains("device-7"));
    assert!(
        ended
            .to_string()
            .starts_with("the watch has ended: it panicked: device-7;")
    );
}
