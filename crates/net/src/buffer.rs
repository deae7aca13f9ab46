//! Bytes between a writer and a reader, one behind the other in memory.

/// Filled from the front; what is read makes room again when it is all read, or when the rest is moved.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn new(size: usize) -> Self {
        Buffer { bytes: vec![0; size], start: 0, end: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Bytes of room behind what is filled.
    pub(crate) fn tail(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// The room behind what is filled, which moves to the front if that is less than `least`.
    pub(crate) fn room(&mut self, least: usize) -> &mut [u8] {
        if self.tail() < least {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }

    /// The same, made `least` at any rate.
    pub(crate) fn grow(&mut self, least: usize) -> &mut [u8] {
        if self.tail() < least {
            self.bytes.resize(self.end + least, 0);
        }
        self.room(0)
    }

    /// So many bytes of the room were filled.
    pub(crate) fn put(&mut self, count: usize) {
        self.end += count;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.grow(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.put(bytes.len());
    }

    /// So many bytes were read.
    pub(crate) fn take(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken() {
        let mut buffer = Buffer::new(4);
        buffer.room(4).copy_from_slice(b"abcd");
        buffer.put(4);
        buffer.take(3);
        assert_eq!((buffer.filled(), buffer.tail()), (&b"d"[..], 0));
        assert_eq!(buffer.room(3).len(), 3, "the rest moves to the front");
        buffer.append(b"efghi");
        assert_eq!(buffer.filled_mut(), b"defghi", "and the room grows");
        buffer.take(6);
        assert!(buffer.is_empty());
        assert_eq!(buffer.tail(), buffer.grow(1).len(), "all room is at the end again");
    }
}
