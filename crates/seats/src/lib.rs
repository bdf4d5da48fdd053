//! Places for those who have not proven anything yet: connections without a handshake or a head,
//! bodies that have not arrived.
//!
//! Whoever comes gets a place. When there is none left, the address that holds most of them loses
//! its oldest: so a caller with many keeps out nobody but itself, and one that comes from an
//! address of its own is not kept out at all. A place whose holder is at work ([`Seat::work`]) is
//! not taken away.
//!
//! Rejected: closing what comes when all places are taken, which lets whoever came first keep
//! everybody else out; and a limit for each address, which many addresses get round, and which
//! callers behind one address would feel on quiet days.

mod table;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use table::Table;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// This machine, by a Unix socket.
    Local,
    /// An IPv4 address, or a network of 64 bits of IPv6: who has one address of it has them all.
    Address(IpAddr),
}

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Self {
        Self::Address(match address.ip().to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// A number of places.
#[derive(Debug)]
pub struct Seats(Mutex<Table>);

/// What somebody who came has got.
#[derive(Debug)]
pub enum Taken {
    /// A place that was free.
    Free(Seat),
    /// Somebody else's place, who has lost it.
    Anothers(Seat),
    /// None: the holders of all places are at work.
    None,
}

impl Taken {
    /// The place, if there was one.
    pub fn seat(self) -> Option<Seat> {
        match self {
            Self::Free(seat) | Self::Anothers(seat) => Some(seat),
            Self::None => None,
        }
    }
}

impl Seats {
    /// So many places.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Table::new(places))))
    }

    /// Takes a place; if all are taken, that of another.
    pub fn take(self: &Arc<Self>, source: Source) -> Taken {
        let lost = CancellationToken::new();
        let seat = |place| Seat {
            seats: Arc::clone(self),
            source,
            lost: lost.clone(),
            place: Mutex::new(Some(place)),
        };
        let mut table = self.table();
        if let Some(place) = table.take_free(source, lost.clone()) {
            return Taken::Free(seat(place));
        }
        match table.take_anothers(source, lost.clone()) {
            Some(place) => Taken::Anothers(seat(place)),
            None => Taken::None,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place; given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    source: Source,
    lost: CancellationToken,
    /// Its number while it waits; `None` while its holder is at work.
    place: Mutex<Option<u64>>,
}

impl Seat {
    /// Completes when the place is lost to another. Whoever held it has to go then.
    pub fn lost(&self) -> WaitForCancellationFuture<'_> {
        self.lost.cancelled()
    }

    /// The holder has said what it wants: the place cannot be lost until the guard is dropped,
    /// which makes it the youngest place of its address. `None` if it is lost already.
    pub fn work(&self) -> Option<Work<'_>> {
        let mut place = self.place();
        if let Some(number) = *place
            && !self.seats.table().leave(self.source, number)
        {
            return None;
        }
        *place = None;
        Some(Work(self))
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let place = *self.place();
        let mut table = self.seats.table();
        // One that was lost is another's now.
        if place.is_none_or(|number| table.leave(self.source, number)) {
            table.give_back();
        }
    }
}

/// The holder of a place is at work.
#[derive(Debug)]
pub struct Work<'a>(&'a Seat);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let Seat {
            seats, source, lost, ..
        } = self.0;
        *self.0.place() = Some(seats.table().wait(*source, lost.clone()));
    }
}

#[cfg(test)]
mod tests;
