//! Looking for a secret in files, memory and what goes over a network, in the forms that software gives to bytes.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

const PAGE: usize = 4096;

/// What to look for: halves of each form of a secret.
pub(crate) struct Forms {
    patterns: Vec<(String, Vec<u8>)>,
    /// By their first two bytes, as a place where none begins is left at once.
    begins: Vec<bool>,
}

impl Forms {
    /// A secret and what reversing makes of it, each as bytes, in hexadecimal of both cases, in both alphabets of base64 at its three alignments, as a JSON
    /// list of numbers and as a byte for each bit in both orders; each of these also backwards; of each both halves.
    pub(crate) fn of(secret: &[u8]) -> Forms {
        let mut patterns = Vec::new();
        for (way, value) in [("", secret.to_vec()), ("reversed ", reversed(secret))] {
            for (name, form) in forms(&value) {
                for (direction, form) in [("", form.clone()), (" backwards", reversed(&form))] {
                    let (one, other) = form.split_at(form.len() / 2);
                    patterns.push((format!("{way}{name}{direction}, first half"), one.to_vec()));
                    patterns.push((format!("{way}{name}{direction}, second half"), other.to_vec()));
                }
            }
        }
        let mut begins = vec![false; 1 << 16];
        patterns.iter().for_each(|(_, pattern)| begins[index(pattern)] = true);
        Forms { patterns, begins }
    }

    /// All forms, whole, as they could stand in a file.
    pub(crate) fn planted(&self) -> Vec<u8> {
        self.patterns.iter().flat_map(|(_, pattern)| [pattern, &b"\n"[..]].concat()).collect()
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.patterns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Which of them are in these bytes.
    pub(crate) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at + 1 < bytes.len() {
            // Most of a memory is zeros; a form has a few at most.
            if at.is_multiple_of(64) && bytes[at..].starts_with(&[0; PAGE]) {
                at += PAGE - 64;
                continue;
            }
            if self.begins[index(&bytes[at..])] {
                let here = self.patterns.iter().filter(|(_, pattern)| bytes[at..].starts_with(pattern));
                found.extend(here.map(|(name, _)| name.clone()));
            }
            at += 1;
        }
        found
    }

    /// Which of them are in which file below a directory; sockets have none.
    pub(crate) fn in_files(&self, directory: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                found.extend(self.in_files(&path));
            } else if kind.is_file() {
                found.extend(self.within(&fs::read(&path).unwrap()).into_iter().map(|form| format!("{}: {form}", path.display())));
            }
        }
        found
    }

    /// Which of them are in the memory of a process, and in which part: all that a core dump of it would have, and what it would leave out.
    pub(crate) fn in_memory(&self, process: u32) -> BTreeSet<String> {
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let mut found = BTreeSet::new();
        let mut read = 0;
        for line in fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
            let mut words = line.split_whitespace();
            let (range, rights, part) = (words.next().unwrap(), words.next().unwrap(), words.nth(3).unwrap_or("anonymous"));
            // What the kernel maps for its own ends.
            if !rights.starts_with('r') || part.starts_with("[v") {
                continue;
            }
            let (at, end) =
                range.split_once('-').map(|(a, b)| (u64::from_str_radix(a, 16).unwrap(), u64::from_str_radix(b, 16).unwrap())).unwrap();
            let (forms, looked_at) = self.in_range(&memory, at..end);
            read += looked_at;
            found.extend(forms.into_iter().map(|form| format!("{part}: {form}")));
        }
        assert!(read > 1 << 20, "the memory of process {process} can be read");
        found
    }

    /// Which of them are in a core dump of a process, which the debugger GDB writes (`gcore`), with what others would leave out.
    pub(crate) fn in_core_dump(&self, process: u32) -> BTreeSet<String> {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("core");
        let output = Command::new("gcore").arg("-a").arg("-o").arg(&prefix).arg(process.to_string()).output().expect("gcore, of GDB");
        let file = File::open(prefix.with_extension(process.to_string()));
        let file = file.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let len = file.metadata().unwrap().len();
        let (found, read) = self.in_range(&file, 0..len);
        assert!(read > 1 << 20, "the dump of process {process} has something in it");
        found
    }

    /// Which of them are between these places of a file, as far as it can be read, and how much of it that is.
    fn in_range(&self, file: &File, range: Range<u64>) -> (BTreeSet<String>, usize) {
        const PIECE: usize = 1 << 20;
        let longest = self.patterns.iter().map(|(_, pattern)| pattern.len()).max().unwrap();
        let (mut found, mut read, mut piece) = (BTreeSet::new(), 0, vec![0; PIECE + longest]);
        for at in range.clone().step_by(PIECE) {
            let len = ((range.end - at) as usize).min(piece.len());
            // Memory may have been unmapped meanwhile.
            if file.read_exact_at(&mut piece[..len], at).is_ok() {
                read += len;
                found.extend(self.within(&piece[..len]));
            }
        }
        (found, read)
    }
}

fn index(pattern: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([pattern[0], pattern[1]]))
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

fn forms(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = |each: &dyn Fn(&u8) -> String| value.iter().map(each).collect::<Vec<_>>();
    let bits = |order: fn(u8) -> [u8; 8]| value.iter().flat_map(|byte| order(*byte)).collect();
    let mut forms = vec![
        ("bytes".to_owned(), value.to_vec()),
        ("hex".to_owned(), text(&|byte| format!("{byte:02x}")).concat().into_bytes()),
        ("HEX".to_owned(), text(&|byte| format!("{byte:02X}")).concat().into_bytes()),
        ("numbers".to_owned(), text(&ToString::to_string).join(",").into_bytes()),
        ("bits, low first".to_owned(), bits(|byte| [0, 1, 2, 3, 4, 5, 6, 7].map(|k| byte >> k & 1))),
        ("bits, high first".to_owned(), bits(|byte| [7, 6, 5, 4, 3, 2, 1, 0].map(|k| byte >> k & 1))),
    ];
    for (name, last) in [("base64", b"+/"), ("base64url", b"-_")] {
        forms.extend((0..3).map(|before| (format!("{name} after {before}"), base64(value, before, *last))));
    }
    forms
}

/// The characters that `value` alone decides, where it stands after so many other bytes.
fn base64(value: &[u8], before: usize, last: [u8; 2]) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let bit = |at: usize| at.checked_sub(8 * before).and_then(|at| value.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1)).unwrap_or(0);
    let whole = (8 * before).div_ceil(6)..8 * (before + value.len()) / 6;
    whole.map(|k| alphabet[usize::from((6 * k..6 * k + 6).fold(0, |six, at| six << 1 | bit(at)))]).collect()
}

/// What went over a connection, one way.
type Recorded = Arc<Mutex<Vec<u8>>>;

/// An address that hands on every connection to another, and keeps what goes over it.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    recorded: Arc<Mutex<Vec<Recorded>>>,
}

impl Relay {
    /// Until the test ends.
    pub(crate) fn to(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay { address: listener.local_addr().unwrap(), recorded: Arc::default() };
        let recorded = relay.recorded.clone();
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                // Nobody is there: the connection ends.
                let Ok(there) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&here, &there), (&there, &here)] {
                    let (from, to, kept) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Recorded::default());
                    recorded.lock().unwrap().push(kept.clone());
                    thread::spawn(move || carry(from, to, &kept));
                }
            }
        });
        relay
    }

    /// What went over each connection, each way.
    pub(crate) fn recorded(&self) -> Vec<Vec<u8>> {
        self.recorded.lock().unwrap().iter().map(|one| one.lock().unwrap().clone()).collect()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, kept: &Recorded) {
    let mut piece = [0; 1 << 14];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        kept.lock().unwrap().extend_from_slice(&piece[..len]);
        if to.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
