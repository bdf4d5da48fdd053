#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use proptest::prelude::*;

use super::*;

fn from(last: u8) -> Source {
    Source::from(SocketAddr::from(([10, 0, 0, last], 1)))
}

fn take(seats: &Arc<Seats>, source: Source) -> Seat {
    seats.take(source).seat().unwrap()
}

fn is_lost(seat: &Seat) -> bool {
    seat.lost.is_cancelled()
}

#[test]
fn the_address_that_holds_most_loses_its_oldest() {
    let seats = Seats::new(4);
    let few = take(&seats, from(1));
    let many: Vec<_> = (0..3).map(|_| take(&seats, from(2))).collect();
    let new = seats.take(from(3));
    assert!(matches!(new, Taken::Anothers(_)));
    assert_eq!(
        many.iter().map(is_lost).collect::<Vec<_>>(),
        [true, false, false],
        "the oldest of three"
    );
    assert!(!is_lost(&few), "though it is older");
    // Its own places are no better than others': it loses one of its own to itself.
    let newest = take(&seats, from(2));
    assert!(is_lost(&many[1]) && !is_lost(&newest));
}

#[test]
fn among_equals_the_oldest_goes() {
    let seats = Seats::new(2);
    let (first, second) = (take(&seats, from(2)), take(&seats, from(1)));
    let third = take(&seats, from(3));
    assert_eq!([&first, &second, &third].map(is_lost), [true, false, false]);
}

#[test]
fn who_is_at_work_keeps_its_place_and_is_the_youngest_afterwards() {
    let seats = Seats::new(2);
    let (first, second) = (take(&seats, from(1)), take(&seats, from(1)));
    let (one, two) = (first.work().unwrap(), second.work().unwrap());
    assert!(matches!(seats.take(from(2)), Taken::None));
    drop(two);
    drop(one);
    let third = take(&seats, from(2));
    assert_eq!([&first, &second, &third].map(is_lost), [false, true, false]);
    assert!(second.work().is_none(), "it has no place to work at");
}

#[test]
fn a_place_is_given_back_once() {
    let seats = Seats::new(1);
    let loser = take(&seats, from(1));
    let winner = take(&seats, from(2));
    drop(loser);
    assert!(matches!(seats.take(from(3)), Taken::Anothers(_)));
    drop(winner);
    assert!(matches!(seats.take(from(3)), Taken::Free(_)));
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let source = |text: &str| Source::from(SocketAddr::new(text.parse().unwrap(), 1));
    assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
    assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    assert_eq!(source("::ffff:10.0.0.1"), from(1));
}

#[derive(Clone, Debug)]
enum Act {
    Come(u8),
    Go(usize),
    Work(usize),
}

proptest! {
    /// Whatever happens: as many places as there were, and none taken from anybody while another is
    /// free.
    #[test]
    fn places_are_neither_lost_nor_made(
        places in 1..6_usize,
        acts in prop::collection::vec(
            prop_oneof![(0..4_u8).prop_map(Act::Come), any::<usize>().prop_map(Act::Go), any::<usize>().prop_map(Act::Work)],
            0..60,
        ),
    ) {
        let seats = Seats::new(places);
        let mut held: Vec<Seat> = Vec::new();
        for act in acts {
            match act {
                Act::Come(source) => {
                    let free = seats.table().free();
                    let taken = seats.take(from(source));
                    prop_assert_eq!(matches!(taken, Taken::Free(_)), free > 0);
                    held.extend(taken.seat());
                }
                Act::Go(at) if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                Act::Work(at) if !held.is_empty() => {
                    let seat = &held[at % held.len()];
                    prop_assert_eq!(seat.work().is_none(), is_lost(seat));
                }
                Act::Go(_) | Act::Work(_) => {}
            }
            let valid = held.iter().filter(|seat| !is_lost(seat)).count();
            prop_assert_eq!(valid + seats.table().free(), places);
            prop_assert_eq!(seats.table().waiting(), valid);
        }
        drop(held);
        prop_assert_eq!(seats.table().free(), places);
    }
}
