//! execl(3), execlp(3) and execle(3): their names, by which the program is linked to them.

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
