//! The tables, in Markdown: medians, and in brackets what one call (or turn) of twenty surpasses. On an idle
//! machine both are nearly the same; where other programs run, the brackets are closer to what it can do.

use spn_cli::measure::Streams;
use spn_runtime::simd::Level;

use super::contender::{At, Contender, Table, Threads};

/// Prints what was measured.
pub(crate) fn print(contenders: &[Contender], threads: usize) {
    let level = Level::detect();
    let streams: Vec<Streams> = (0..3).map(|_| Streams::measure(level, threads)).collect();
    let Streams { level2, level3, memory } = Streams::median(&streams);
    let [level2, level3, memory] = [level2, level3, memory].map(|bytes| bytes / 1e9);
    println!(
        "{level}, {threads} threads; reads: second-level cache {level2:.0} GB/s, third-level \
         {level3:.0}, memory {memory:.0}"
    );
    let of = |table| contenders.iter().filter(move |contender| contender.table == table);
    print_products(&of(Table::Products).collect::<Vec<_>>());
    print_rows(&of(Table::OneRow).collect::<Vec<_>>());
    print_scalar(&of(Table::Scalar).collect::<Vec<_>>());
}

/// A figure of the median and, in brackets, of the best calls.
fn figure(contender: &Contender, digits: usize, of: impl Fn(At) -> f64) -> String {
    let [median, best] = [0.5, 0.05].map(|share| of(contender.at(share)));
    format!("{median:.digits$} ({best:.digits$})")
}

fn print_products(contenders: &[&Contender]) {
    if contenders.is_empty() {
        return;
    }
    println!(
        "\n| work | batch | threads | rows/s | GFLOP/s | peak | % of peak | peer's rows/s | times as \
         fast |\n|---|---|---|---|---|---|---|---|---|"
    );
    for contender in contenders {
        let rows = figure(contender, 0, At::rows_per_second);
        let speed = figure(contender, 1, |at| at.flops_per_second() / 1e9);
        let peak = figure(contender, 0, |at| at.limit / 1e9);
        let percent = figure(contender, 0, |at| 100.0 * at.fraction());
        let peer = contender.peer.map_or("|".to_owned(), |peer| {
            let times = figure(contender, 1, |at| at.rows_per_second() / peer);
            format!("{peer:.0} | {times}")
        });
        let (batch, threads) = (contender.work.batch(), contender.thread_count());
        let name = &contender.name;
        println!(
            "| {name} | {batch} | {threads} | {rows} | {speed} | {peak} | {percent} | {peer} |"
        );
    }
    print_scaling(contenders);
}

/// How much faster all threads are than one, where both were measured.
fn print_scaling(contenders: &[&Contender]) {
    for pair in contenders.windows(2) {
        let [one, all] = pair else { continue };
        if one.name == all.name {
            let factor = |share| all.at(share).rows_per_second() / one.at(share).rows_per_second();
            let (median, best) = (factor(0.5), factor(0.05));
            let (name, threads) = (&one.name, all.thread_count());
            println!(
                "\n{name}: {threads} threads are {median:.2} ({best:.2}) times as fast as one."
            );
        }
    }
}

fn print_rows(contenders: &[&Contender]) {
    if contenders.is_empty() {
        return;
    }
    println!(
        "\n| work | threads | µs | 99 % below | its weights | µs to read them once | times that |\n\
         |---|---|---|---|---|---|---|"
    );
    for contender in contenders {
        let bytes = contender.weight_bytes() as f64;
        let threads = match contender.threads {
            Threads::Pool(threads) => format!("pool of {threads}"),
            Threads::Caller => "caller's".to_owned(),
        };
        println!(
            "| {} | {threads} | {} | {:.1} | {:.2} MB | {} | {} |",
            contender.name,
            figure(contender, 1, |at| at.seconds * 1e6),
            contender.times.quantile(0.99) * 1e6,
            bytes / 1e6,
            figure(contender, 1, |at| bytes / at.limit * 1e6),
            figure(contender, 1, |at| at.seconds * at.limit / bytes)
        );
    }
}

fn print_scalar(contenders: &[&Contender]) {
    if contenders.is_empty() {
        return;
    }
    println!(
        "\n| circuit | batch | threads | ns per row and core | rows/s |\n|---|---|---|---|---|"
    );
    for contender in contenders {
        let threads = contender.thread_count();
        println!(
            "| {} | {} | {threads} | {} | {} |",
            contender.name,
            contender.work.batch(),
            figure(contender, 0, |at| 1e9 * threads as f64 / at.rows_per_second()),
            figure(contender, 0, At::rows_per_second)
        );
    }
}
