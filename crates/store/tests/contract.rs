//! The contract of `Store`: one suite, run over every store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking, in its helpers too"
)]

mod suite;
mod support;

use support::place::{PostgresPlace, SqlitePlace};

/// Each rule of the suite as a test of each store.
macro_rules! contract {
    ($($file:ident: $($rule:ident),+;)+) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    crate::suite::$file::$rule(&crate::SqlitePlace::new()).await;
                }
            )+)+
        }
        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    crate::suite::$file::$rule(&crate::PostgresPlace::new().await).await;
                }
            )+)+
        }
    };
}

contract! {
    writes: what_was_written_is_read, writes_that_are_too_large_for_one_commit_are_all_made, a_write_names_what_it_was_decided_on, a_repeated_write_counts_nothing_twice,
        of_many_writers_one_wins_each_revision, a_new_device_needs_a_life, revisions_grow_though_the_clock_does_not;
    events: events_are_counted_and_latest_first, the_oldest_events_go_first, old_events_are_pruned,
        any_text_of_a_device_is_kept, events_are_bounded_by_their_bytes, an_event_counts_for_as_often_as_it_says;
    times: times_join_in_any_order, unknown_devices_are_passed_over, strays_are_joined_and_bounded,
        an_approved_device_is_no_stray, times_that_a_clock_has_put_ahead_grow_old_from_the_next_pruning_on;
    reading: lists_come_in_pages, a_page_ends_where_its_documents_are_many_bytes, a_page_ends_where_its_devices_take_much_memory, a_page_ends_where_what_cannot_be_read_is_many_bytes, those_who_only_ask_to_join_are_counted_with_what_they_take,
        phases_are_those_of_the_devices_that_are_known, the_change_feed_is_in_order, settings_are_set_and_removed,
        the_census_agrees_with_the_rules, the_periods_of_before_are_counted_by,
        a_device_is_read_beside_the_revision_of_the_documents;
    identity: a_store_is_the_same_when_opened_again, a_restored_store_begins_an_epoch,
        a_newer_store_is_used_or_left_alone, what_was_closed_answers_nothing;
    documents: a_change_is_read_as_a_whole, a_change_names_what_it_was_decided_on, what_stays_the_same_is_not_written,
        renderings_are_replaced_as_a_set, of_many_changes_one_wins_each_revision, a_change_that_cannot_be_made_leaves_nothing,
        any_changes_leave_what_the_model_says, a_restored_store_has_its_documents;
    sealing: a_confidential_text_is_sealed_where_it_is_kept, a_text_without_its_key_is_unreadable_and_not_absent,
        a_text_opens_in_its_own_place_alone, a_server_without_keys_does_not_uncover_secrets, any_key_opens_and_the_first_seals,
        everything_is_sealed_anew_or_nothing, what_cannot_be_read_is_not_removed_as_unnamed;
    damage: a_devices_row_that_was_changed_is_unreadable, a_report_that_was_changed_makes_its_device_unreadable,
        only_what_cannot_be_read_is_replaced, lists_go_on_behind_what_cannot_be_read, a_document_that_was_changed_is_damaged,
        rows_without_a_checksum_are_accepted_and_get_one, rows_of_a_program_without_checksums_are_accepted,
        whatever_writes_a_row_writes_its_checksum;
    random: any_writes_leave_what_the_model_says;
}
