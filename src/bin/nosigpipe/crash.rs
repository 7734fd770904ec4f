//! What the launcher has of the library's crash reports: how they read, and how names are found.

#[expect(dead_code, reason = "the library's; the launcher only reads reports")]
#[path = "../../crash/report/mod.rs"]
pub mod report;
#[expect(dead_code, reason = "the library's; a report says by itself what applies")]
#[path = "../../crash/words.rs"]
pub mod words;
