//! Room for requests that are under way: bytes of memory that all of them share.
//!
//! What a request holds is counted when it is there, not when it is announced, and is free again
//! when it is gone; where there is no room the caller is told to come again.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes.
#[derive(Clone, Debug)]
pub struct Room {
    free: Arc<Semaphore>,
    size: usize,
}

/// Bytes that somebody holds, until it is dropped.
#[derive(Debug)]
pub struct Held {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
}

/// Something with the room that it takes. A closure that asks for the content keeps both.
#[derive(Debug)]
pub struct Holding<T> {
    content: T,
    #[expect(dead_code, reason = "held for its drop")]
    held: Held,
}

impl<T> Holding<T> {
    /// Binds both together.
    pub fn new(content: T, held: Held) -> Self {
        Self { content, held }
    }

    /// What takes the room.
    pub fn content(&self) -> &T {
        &self.content
    }
}

impl Room {
    /// Of so many bytes.
    pub fn new(size: usize) -> Self {
        let size = size.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// Nothing yet.
    pub fn nothing(&self) -> Held {
        Held {
            room: self.clone(),
            permit: None,
        }
    }

    /// Waits for so many bytes, in the order of arrival. Who asks for more than there are at all
    /// gets all.
    pub async fn wait(&self, bytes: usize) -> Held {
        let permit = Arc::clone(&self.free)
            .acquire_many_owned(self.permits(bytes))
            .await;
        Held {
            room: self.clone(),
            // It is never closed.
            permit: permit.ok(),
        }
    }

    /// How many bytes nobody holds.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    fn permits(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.size)).unwrap_or(u32::MAX)
    }
}

impl Held {
    /// Holds so many bytes from now on, more or fewer than before; `false` if there is no room for
    /// more, and then it holds what it did.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let wanted = self.room.permits(bytes) as usize;
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if wanted <= held {
            drop(
                self.permit
                    .as_mut()
                    .and_then(|permit| permit.split(held - wanted)),
            );
            return true;
        }
        let Ok(further) =
            Arc::clone(&self.room.free).try_acquire_many_owned(self.room.permits(wanted - held))
        else {
            return false;
        };
        match &mut self.permit {
            Some(permit) => permit.merge(further),
            None => self.permit = Some(further),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_follows_what_is_there() {
        let room = Room::new(100);
        let mut held = room.nothing();
        assert!(held.resize(60));
        assert_eq!(room.free(), 40);
        let mut other = room.nothing();
        assert!(!other.resize(41) && other.resize(40));
        assert!(!held.resize(61) && held.resize(10));
        assert_eq!(room.free(), 50);
        drop((held, other));
        assert_eq!(room.free(), 100);
    }

    #[tokio::test]
    async fn who_waits_comes_before_who_grows_and_whoever_wants_too_much_gets_all() {
        let room = Room::new(100);
        let mut first = room.wait(80).await;
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.wait(1000).await }
        });
        while room.free() == 20 {
            tokio::task::yield_now().await;
        }
        assert!(!first.resize(81));
        drop(first);
        let all = waiting.await.unwrap();
        assert_eq!(room.free(), 0);
        drop(all);
        assert_eq!(room.free(), 100);
    }
}
