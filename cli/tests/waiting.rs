//! `--wait`: a line returns when what it changed has arrived, and not before, whatever northd goes through.

mod common;

use cli::options::{Action, read};
use cli::session::{Console, execute};
use common::fake::{Act, serve};

/// Keeps what is printed, and takes notice of advice.
#[derive(Default)]
struct Kept {
    printed: String,
    advice: usize,
}

impl Console for Kept {
    fn print(&mut self, text: &str) {
        self.printed.push_str(text);
    }

    fn warn(&mut self, text: &str) {
        panic!("nothing to warn of: {text}");
    }

    fn advise(&mut self, _: &str) {
        self.advice += 1;
    }
}

/// Runs a line on a server that plays these acts; each is what a watch sees (`nb_cfg`, `sb_cfg`) before it ends.
async fn play(line: &[&str], acts: &[&[(i64, i64)]]) -> Kept {
    let acts = acts.iter().map(|configurations| Act {
        configurations: configurations.to_vec(),
    });
    let address = serve(acts).await.to_string();
    let words: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
    let action = read(&words, |name| {
        (name == "WEFT_NORTHBOUND").then(|| address.clone())
    });
    let Ok(Action::Run(settings, calls)) = action else {
        panic!("{line:?}: {action:?}");
    };
    let mut kept = Kept::default();
    let executed = execute(&settings, &calls, &mut kept).await;
    assert_eq!(executed, Ok(()), "{line:?}");
    kept
}

#[tokio::test]
async fn a_line_waits_for_the_configuration_that_holds_its_change() {
    let kept = play(&["--wait=sb", "ls-add", "a"], &[&[(5, 3), (6, 4), (6, 5)]]).await;
    assert_eq!(kept.advice, 0);
}

#[tokio::test]
async fn a_northd_that_goes_away_is_waited_for() {
    let acts: &[&[(i64, i64)]] = &[&[(5, 3)], &[], &[(7, 4)], &[(7, 5)]];
    let kept = play(&["--wait=sb", "ls-add", "a"], acts).await;
    assert_eq!(kept.advice, 3);
}

#[tokio::test]
async fn a_line_that_changes_nothing_does_not_wait() {
    let kept = play(&["--wait=sb", "ls-list"], &[]).await;
    assert_eq!((kept.printed.as_str(), kept.advice), ("", 0));
}

#[tokio::test]
async fn sync_waits_though_nothing_changes_and_tells_how_long() {
    let kept = play(&["--wait=sb", "--print-wait-time", "sync"], &[&[(1, 1)]]).await;
    assert!(
        kept.printed
            .starts_with("Time spent on processing nb_cfg 1:\n\tovn-northd delay")
    );
}
