//! Tests of the initialisers: reference values, moments, determinism, data, messages.

use super::*;
use crate::test_units::Units;

fn parse(text: &str) -> Result<Initializer, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn request(shape: &[usize]) -> InitializerRequest<'_> {
    InitializerRequest { shape, seed: 7, stream: 3, data: None }
}

fn values(text: &str, shape: &[usize]) -> Vec<f64> {
    parse(text).unwrap().initialize(&request(shape)).unwrap()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn fixed_values_agree_with_the_reference() {
    let units = Units::load();
    let cases = [
        (r#""Equidistant""#, "Equidistant_2x3x5"),
        (r#"{"name": "Equidistant", "minval": -2, "maxval": 3}"#, "Equidistant_-2_3_1x4"),
        (r#""EpsilonInverseFanIn""#, "EpsilonInverseFanIn_2x1x4x3"),
        (
            r#"{"name": "EpsilonInverseFanIn", "axis": -1, "epsilon": 0.5}"#,
            "EpsilonInverseFanIn_axis-1_eps0.5_2x4",
        ),
    ];
    for (text, name) in cases {
        let (shape, expected) = units.array(&format!("initializer/{name}"));
        units.compare(name, &values(text, &shape), &expected);
    }
}

#[test]
fn quantiles_agree_with_the_reference() {
    let units = Units::load();
    for case in ["n12_k4", "n11_k4", "n8_k3", "n20_k4", "n9_k3", "n7_k2"] {
        let (shape, data) = units.array(&format!("poon_domingos/{case}/data"));
        let data =
            LeafData { rows: shape[0], cells: &shape[1..3], dimensions: shape[3], values: &data };
        for (name, part) in [("Mean", "mean"), ("Stddev", "stddev")] {
            let name = format!("{case}/{part} PoonDomingos{name}OfQuantileSplit");
            let initializer = parse(&format!("{:?}", name.split(' ').nth(1).unwrap())).unwrap();
            assert!(initializer.needs_data());
            let (shape, expected) = units.array(&format!("poon_domingos/{case}/{part}"));
            let request = InitializerRequest { data: Some(&data), ..request(&shape) };
            units.compare(&name, &initializer.initialize(&request).unwrap(), &expected);
        }
    }
}

#[test]
fn random_values_have_the_moments_of_their_distribution() {
    let shape = [200, 500];
    // Deviation of a standard normal variable cut off at ±2.
    let cut = 0.879_625_661;
    let glorot = (2.0 / 700.0_f64).sqrt();
    let cases = [
        (r#""TruncatedNormal""#, 0.0, 0.05 * cut),
        (r#"{"name": "TruncatedNormal", "mean": 3, "stddev": 2}"#, 3.0, 2.0 * cut),
        (r#"{"name": "RandomNormal", "mean": -1, "stddev": 0.5}"#, -1.0, 0.5),
        (r#"{"name": "random_uniform", "minval": 1, "maxval": 4}"#, 2.5, 3.0 / 12.0_f64.sqrt()),
        (r#""GlorotUniform""#, 0.0, glorot),
        (r#""glorot_normal""#, 0.0, glorot),
    ];
    for (text, mean, deviation) in cases {
        let (found_mean, found_deviation) = mean_and_deviation(&values(text, &shape));
        // Five deviations of the mean of 100,000 values.
        assert!((found_mean - mean).abs() < 5.0 * deviation / 316.0, "{text}: {found_mean}");
        assert!((found_deviation / deviation - 1.0).abs() < 0.02, "{text}: {found_deviation}");
    }
    let inside = values(r#"{"name": "TruncatedNormal", "mean": 3, "stddev": 2}"#, &shape);
    assert!(inside.iter().all(|v| (v - 3.0).abs() <= 4.0));
}

#[test]
fn glorot_fans_include_the_field_before_the_last_two_axes() {
    let limit = (6.0 / (3.0 * (4.0 + 5.0_f64))).sqrt();
    let values = values(r#""GlorotUniform""#, &[3, 4, 5]);
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(largest <= limit && largest > 0.9 * limit);
}

#[test]
fn dirichlet_slices_are_weights_with_the_right_spread() {
    for (alpha, length) in [(0.1, 4), (1.0, 3), (20.0, 5), (1e-4, 3)] {
        let text = format!(r#"{{"name": "Dirichlet", "alpha": {alpha}}}"#);
        let shape = [40, length, 50];
        let values = values(&text, &shape);
        for slices in values.chunks_exact(length * 50) {
            for column in 0..50 {
                let total: f64 = slices.iter().skip(column).step_by(50).sum();
                assert!((total - 1.0).abs() < 1e-12);
            }
        }
        assert!(values.iter().all(|&weight| weight > 0.0 && weight.ln().is_finite()));
        let (_, deviation) = mean_and_deviation(&values);
        let n = length as f64;
        let expected = ((n - 1.0) / (n * n * (n * alpha + 1.0))).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.06, "{alpha}: {deviation} {expected}");
    }
    let last = values(r#"{"name": "Dirichlet", "axis": 1}"#, &[6, 4]);
    assert!(last.chunks_exact(4).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
}

#[test]
fn requests_are_reproducible_and_streams_differ() {
    for name in ["Dirichlet", "TruncatedNormal", "RandomNormal", "RandomUniform", "GlorotNormal"] {
        let initializer = parse(&format!("{name:?}")).unwrap();
        let at = |seed, stream| {
            let request = InitializerRequest { seed, stream, ..request(&[3, 4]) };
            initializer.initialize(&request).unwrap()
        };
        assert_eq!(at(1, 2), at(1, 2), "{name}");
        assert_ne!(at(1, 2), at(1, 3), "{name}");
        assert_ne!(at(1, 2), at(2, 2), "{name}");
    }
}

#[test]
fn plain_values() {
    assert_eq!(values(r#"{"name": "Constant", "value": 2.5}"#, &[2, 2]), [2.5; 4]);
    assert_eq!(values(r#""Zeros""#, &[3]), [0.0; 3]);
    assert_eq!(values(r#""ones""#, &[]), [1.0]);
    assert_eq!(values(r#"{"name": "Value", "values": [1, 2]}"#, &[2, 1]), [1.0, 2.0]);
    assert!(!parse(r#""Zeros""#).unwrap().needs_data());
}

/// Rows of 2 × 1 cells with 2 variables: the first cell has groups around -5, 0 and 5 in both
/// variables, the second the same groups shifted by 0.5; some values are missing.
fn groups() -> Vec<f64> {
    let mut values = Vec::new();
    for row in 0..300 {
        let centre = f64::from(row % 3 - 1) * 5.0;
        let noise = |k: i32| f64::from((row * 7 + k * 13) % 11 - 5) * 0.02;
        values.extend([centre + noise(0), -centre + noise(1)]);
        values.extend([centre + 0.5 + noise(2), -centre + 0.5 + noise(3)]);
        if row % 10 == 0 {
            values[row as usize * 4 + (row as usize / 10) % 4] = f64::NAN;
        }
    }
    values
}

const KMEANS: &str =
    r#"{"name": "KMeans", "samplewise_normalization": false, "data_fraction": 1.0}"#;

#[test]
fn kmeans_finds_groups_in_one_order_for_all_cells() {
    let values = groups();
    let data = LeafData { rows: 300, cells: &[2, 1], dimensions: 2, values: &values };
    let shape = [1, 2, 1, 3, 2];
    for method in ["kmeans++", "random"] {
        let mut found = 0;
        for seed in 0..10 {
            let text =
                KMEANS.replace('}', &format!(r#", "centroid_initialization": "{method}"}}"#));
            let initializer = parse(&text).unwrap();
            let request = InitializerRequest { seed, data: Some(&data), ..request(&shape) };
            let locations = initializer.initialize(&request).unwrap();
            assert_eq!(locations, initializer.initialize(&request).unwrap());
            let (first, second) = locations.split_at(6);
            let groups = |cell: &[f64]| {
                let centres = cell.chunks_exact(2).map(|centre| centre[0].round() as i64 / 4);
                centres.collect::<Vec<_>>()
            };
            let sorted = |cell: &[f64]| {
                let mut groups = groups(cell);
                groups.sort_unstable();
                groups
            };
            // Random first centroids may share a group; k-means++ avoids it.
            if [sorted(first), sorted(second)] == [[-1, 0, 1], [-1, 0, 1]] {
                found += 1;
                assert_eq!(groups(first), groups(second));
            }
        }
        assert!(found >= if method == "random" { 1 } else { 9 }, "{method}: {found}");
    }
}

#[test]
fn kmeans_repeats_clusters_with_noise() {
    let values = groups();
    let data = LeafData { rows: 300, cells: &[2, 1], dimensions: 2, values: &values };
    let text = KMEANS.replace('}', r#", "max_num_clusters": 3}"#);
    let initializer = parse(&text).unwrap();
    let shape = [1, 2, 1, 12, 2];
    let request = InitializerRequest { data: Some(&data), ..request(&shape) };
    let locations = initializer.initialize(&request).unwrap();
    for copies in locations.chunks_exact(8) {
        let first: Vec<f64> = copies.iter().step_by(2).copied().collect();
        let (_, deviation) = mean_and_deviation(&first);
        assert!(deviation > 0.0 && deviation < 0.25, "{copies:?}");
    }
    let odd = InitializerRequest { shape: &[1, 2, 1, 4, 2], ..request };
    let error = initializer.initialize(&odd).unwrap_err();
    assert_eq!(error, InitializerError::NoMultiple { components: 4, clusters: 3 });
}

#[test]
fn data_driven_values_are_finite_for_any_data() {
    let constant = vec![3.0; 12];
    let missing = vec![f64::NAN; 12];
    let mut some = constant.clone();
    some[0] = f64::INFINITY;
    let texts = [
        r#""KMeans""#,
        r#""PoonDomingosMeanOfQuantileSplit""#,
        r#""PoonDomingosStddevOfQuantileSplit""#,
        r#""RandomRows""#,
    ];
    for text in texts {
        let initializer = parse(text).unwrap();
        for values in [constant.as_slice(), &missing, &some, &[]] {
            let rows = values.len() / 2;
            let data = LeafData { rows, cells: &[2, 1], dimensions: 1, values };
            let request = InitializerRequest { data: Some(&data), ..request(&[1, 2, 1, 8, 1]) };
            let result = initializer.initialize(&request).unwrap();
            assert_eq!(result.len(), 16);
            assert!(result.iter().all(|value| value.is_finite()), "{text}: {result:?}");
            let scale =
                matches!(initializer, Initializer::PoonDomingosStddevOfQuantileSplit { .. });
            assert!(!scale || result.iter().all(|&value| value > 0.0), "{text}: {result:?}");
        }
    }
}

#[test]
fn missing_values_do_not_move_quantiles() {
    let (full, holes) = ([4.0, 1.0, 2.0, 3.0], [4.0, f64::NAN, 1.0, 2.0, f64::NAN, 3.0]);
    let means = |values: &[f64]| {
        let data = LeafData { rows: values.len(), cells: &[1, 1], dimensions: 1, values };
        let request = InitializerRequest { data: Some(&data), ..request(&[1, 1, 1, 2, 1]) };
        Initializer::PoonDomingosMeanOfQuantileSplit.initialize(&request).unwrap()
    };
    assert_eq!(means(&full), [1.5, 3.5]);
    assert_eq!(means(&holes), means(&full));
}

#[test]
fn rows_are_taken_whole_and_each_once() {
    // Four rows of two cells; the second value of the third row is missing.
    let values = [0.0, 10.0, 1.0, 11.0, 2.0, f64::NAN, 3.0, 13.0];
    let data = LeafData { rows: 4, cells: &[1, 2], dimensions: 1, values: &values };
    let request = InitializerRequest { data: Some(&data), ..request(&[1, 1, 2, 4, 1]) };
    let result = Initializer::RandomRows.initialize(&request).unwrap();
    let (first, second) = result.split_at(4);
    let mut sorted = first.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    assert_eq!(sorted, [0.0, 1.0, 2.0, 3.0]);
    for (&first, &second) in first.iter().zip(second) {
        let mean = (10.0 + 11.0 + 13.0) / 3.0;
        assert_eq!(second, if first == 2.0 { mean } else { first + 10.0 });
    }
}

#[test]
fn wrong_requests_are_explained() {
    let fail = |text: &str, request: &InitializerRequest<'_>| {
        parse(text).unwrap().initialize(request).unwrap_err().to_string()
    };
    let vector = request(&[4]);
    assert!(fail(r#""Dirichlet""#, &vector).contains("axis -2"));
    assert!(fail(r#"{"name": "Dirichlet", "alpha": 0}"#, &vector).contains("positive"));
    assert!(fail(r#"{"name": "RandomNormal", "stddev": -1}"#, &vector).contains("stddev"));
    assert!(fail(r#"{"name": "RandomUniform", "minval": 1}"#, &vector).contains("maxval"));
    assert!(fail(r#"{"name": "Value", "values": [1]}"#, &vector).contains("holds 4"));
    assert!(fail(r#""KMeans""#, &vector).contains("none are given"));
    let data = LeafData { rows: 1, cells: &[2, 1], dimensions: 1, values: &[1.0, 2.0] };
    let with = |data| InitializerRequest { data: Some(data), ..vector };
    assert!(fail(r#""KMeans""#, &with(&data)).contains("[1, 2, 1, components, 1]"));
    let short = LeafData { values: &[1.0], ..data };
    assert!(fail(r#""KMeans""#, &with(&short)).contains("does not make"));
    let many = r#"{"name": "KMeans", "max_num_clusters": 17}"#;
    assert!(fail(many, &with(&data)).contains("max_num_clusters"));
}

#[test]
fn wrong_names_and_options_are_explained() {
    let message = |text| parse(text).unwrap_err();
    assert!(message(r#""Dirichlett""#).contains("known are Dirichlet, EpsilonInverseFanIn"));
    assert!(message(r#"{"name": "Zeros", "value": 1}"#).contains("no option `value`"));
    assert!(message(r#"{"name": "KMeans", "downsample": 2}"#).contains("`downsample`"));
    assert!(message(r#"{"name": "KMeans", "use_groups": true}"#).contains("`use_groups`"));
    assert!(message(r#"{"name": "Value"}"#).contains("needs the option `values`"));
    parse(r#"{"name": "KMeans", "downsample": null, "use_groups": false}"#).unwrap();
}

#[test]
fn written_forms_come_back() {
    for name in super::parse::NAMES.iter().filter(|&&name| name != "Value") {
        let initializer = parse(&format!("{name:?}")).unwrap();
        let text = serde_json::to_string(&initializer).unwrap();
        assert!(text.starts_with(&format!("{{\"name\":\"{name}\"")), "{text}");
        assert_eq!(parse(&text).unwrap(), initializer);
    }
    assert_eq!(parse(r#""kmeans""#).unwrap(), Initializer::KMeans(KMeans::default()));
}
