//! execl(3), execlp(3) and execle(3): the exported symbols, which lead to the functions in `hooks/list.rs`.

use crate::hooks::list::{self, list_hook};

list_hook! {
    #[unsafe(no_mangle)]
    execl => list::execl
}

list_hook! {
    #[unsafe(no_mangle)]
    execlp => list::execlp
}

list_hook! {
    #[unsafe(no_mangle)]
    execle => list::execle
}
