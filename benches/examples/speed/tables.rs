//! The tables, in Markdown.

use spn_cli::measure::Streams;
use spn_runtime::simd::Level;

use super::contender::{Contender, Table, Threads};

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

fn print_products(contenders: &[&Contender]) {
    if contenders.is_empty() {
        return;
    }
    println!(
        "\n| work | batch | threads | rows/s | GFLOP/s | peak | of peak | peer's rows/s | times as fast |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for contender in contenders {
        let rows = contender.rows_per_second();
        let (flops, peak) = (contender.flops_per_second(), contender.limit());
        let peer =
            contender.peer.map_or("|".to_owned(), |peer| format!("{peer:.0} | {:.1}", rows / peer));
        println!(
            "| {} | {} | {} | {rows:.0} | {:.1} | {:.0} | {:.0} % | {peer} |",
            contender.name,
            contender.work.batch(),
            contender.thread_count(),
            flops / 1e9,
            peak / 1e9,
            100.0 * flops / peak
        );
    }
    print_scaling(contenders);
}

/// How much faster all threads are than one, where both were measured.
fn print_scaling(contenders: &[&Contender]) {
    for pair in contenders.windows(2) {
        let [one, all] = pair else { continue };
        if one.name == all.name {
            let (factor, threads) =
                (all.rows_per_second() / one.rows_per_second(), all.thread_count());
            println!("\n{}: {threads} threads are {factor:.2} times as fast as one.", one.name);
        }
    }
}

fn print_rows(contenders: &[&Contender]) {
    if contenders.is_empty() {
        return;
    }
    println!(
        "\n| work | threads | median | 99 % below | its weights | to read them once | times that |"
    );
    println!("|---|---|---|---|---|---|---|");
    for contender in contenders {
        let (bytes, median) = (contender.weight_bytes() as f64, contender.times.median());
        let stream = bytes / contender.limit();
        let threads = match contender.threads {
            Threads::Pool(threads) => format!("pool of {threads}"),
            Threads::Caller => "caller's".to_owned(),
        };
        println!(
            "| {} | {threads} | {:.1} µs | {:.1} µs | {:.2} MB | {:.1} µs | {:.1} |",
            contender.name,
            median * 1e6,
            contender.times.quantile(0.99) * 1e6,
            bytes / 1e6,
            stream * 1e6,
            median / stream
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
        let rows = contender.rows_per_second();
        println!(
            "| {} | {} | {} | {:.0} | {rows:.0} |",
            contender.name,
            contender.work.batch(),
            contender.thread_count(),
            1e9 * contender.thread_count() as f64 / rows
        );
    }
}
