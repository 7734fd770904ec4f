//! execl(3), execlp(3) and execle(3): the entries by which dyld knows them.

use crate::hooks::list::{self, list_hook};
use crate::platform::interpose;

list_hook! { execl => list::execl }
interpose!(execl, libc::execl);

list_hook! { execlp => list::execlp }
interpose!(execlp, libc::execlp);

list_hook! { execle => list::execle }
interpose!(execle, libc::execle);
