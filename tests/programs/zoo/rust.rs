//! A Rust program, whose runtime has a handler of its own for SIGSEGV and SIGBUS: it gives up on what is no stack
//! overflow, and aborts on what is one.

use std::hint::black_box;
use std::ptr::null;

struct Server<'a> {
    way: &'a str,
}

impl Server<'_> {
    #[inline(never)]
    fn serve<T: Copy>(&self, value: T) -> T {
        let value = self.parse(black_box(value)); /* CALL */
        black_box(value)
    }

    #[inline(never)]
    fn parse<T: Copy>(&self, value: T) -> T {
        let depth = self.fail(1); /* CALL */
        black_box(depth);
        black_box(value)
    }

    #[inline(never)]
    fn fail(&self, depth: i32) -> i32 {
        match self.way {
            // SAFETY: there's none, that's the point.
            "null" => unsafe { black_box(null::<i32>()).read_volatile() + depth }, /* CRASH null */
            "overflow" => self.recurse(depth) + 1,                                 /* CALL */
            "panic" => panic!("no such model"),                                    /* CRASH panic */
            "unwrap" => black_box(None::<i32>).unwrap() + depth,                   /* CRASH unwrap */
            _ => std::process::abort(),                                            /* CRASH abort */
        }
    }

    #[inline(never)]
    fn recurse(&self, depth: i32) -> i32 {                    /* CRASH overflow */
        let room = black_box([depth; 100]);                   /* CRASH overflow */
        black_box(self.recurse(room[7] + 1) + room[9]) /* CRASH overflow */ /* CALL */
    } /* CRASH overflow */
}

fn main() {
    let way = std::env::args().nth(1).unwrap_or_default();
    let value = Server { way: &way }.serve(1.5); /* CALL */
    black_box(value);
}
