//! A TLS 1.3 client state machine over an abstract key backend
#![forbid(unsafe_code)]
