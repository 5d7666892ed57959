//! Wrong layer files and networks are errors that name the layer and say how to mend it.

use crate::layers::{LayerError, Network};
use crate::{Parameter, Parameters};

use super::{BuildOptions, Model, build, network};

/// The message of a network that cannot be read or built.
fn message(text: &str) -> String {
    match Network::from_json(text) {
        Err(error) => error.to_string(),
        Ok(network) => network.build(&BuildOptions::default()).unwrap_err().to_string(),
    }
}

/// A file over `variables` with layers between a leaf with 2 components and the root.
fn stack(variables: &str, layers: &str) -> String {
    format!(
        r#"{{"variables": {variables}, "layers": [{{"type": "NormalLeaf", "num_components": 2}},
           {layers}{{"type": "RootSum"}}]}}"#
    )
}

fn check(text: &str, parts: &[&str]) {
    let message = message(text);
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}

#[test]
fn files_that_are_no_layer_files() {
    check("{\"layers\": [\n  {\"type\": ", &["line 2, column", "not valid JSON"]);
    check("[]", &["must be an object"]);
    check("{}", &["has no `layers`"]);
    check(r#"{"layers": [{"type": "RootSum"}]}"#, &["add \"variables\""]);
    check(r#"{"variables": [2], "layers": []}"#, &["has no layers"]);
    check(r#"{"variables": [2], "layer": []}"#, &["has no `layers`"]);
    check(r#"{"variables": "x", "layers": []}"#, &["wrong `variables`"]);
    check(r#"{"variables": [2], "layers": [], "epochs": 3}"#, &["unknown key `epochs`"]);
    check(&stack("[2, 2, 2, 2]", ""), &["`variables` is [2, 2, 2, 2]"]);
    check(&stack("[0, 2, 1]", ""), &["each at least 1"]);
}

#[test]
fn layers_that_cannot_be_read() {
    check(&stack("[1, 1, 1]", "3, "), &["layer 1 (?)", "an object"]);
    check(&stack("[1, 1, 1]", "{\"num_sums\": 3}, "), &["layer 1 (?)", "type"]);
    let unknown = "{\"type\": \"Conv3DProduct\"}, ";
    check(&stack("[1, 1, 1]", unknown), &["layer 1 (Conv3DProduct)", "Conv2DProduct"]);
    let option = "{\"type\": \"DenseSum\", \"num_sums\": 2, \"sum_op\": \"em\"}, ";
    check(
        &stack("[1, 1, 1]", option),
        &["layer 1 (DenseSum)", "sum_op", "accumulator_initializer"],
    );
    let missing = "{\"type\": \"DenseSum\"}, ";
    check(&stack("[1, 1, 1]", missing), &["layer 1 (DenseSum)", "num_sums"]);
    let wrong = "{\"type\": \"DenseSum\", \"num_sums\": -2}, ";
    check(&stack("[1, 1, 1]", wrong), &["layer 1 (DenseSum)", "-2"]);
    let shape = "{\"type\": \"DenseSum\", \"num_sums\": 2, \"input_shape\": [1]}, ";
    check(&stack("[1, 1, 1]", shape), &["layer 1 (DenseSum)", "first layer only"]);
    let root = r#"{"variables": [1, 1, 1], "layers": [{"type": "RootSum", "num_sums": 2}]}"#;
    check(root, &["layer 0 (RootSum)", "num_sums"]);
    let initializer =
        "{\"type\": \"DenseSum\", \"num_sums\": 2, \"accumulator_initializer\": \"Dirichle\"}, ";
    check(&stack("[1, 1, 1]", initializer), &["layer 1 (DenseSum)", "Dirichle"]);
    let two_shapes = r#"{"variables": [2, 1, 1], "layers": [
        {"type": "NormalLeaf", "num_components": 2, "input_shape": [1, 1, 1]}]}"#;
    check(two_shapes, &["leave out one"]);
}

#[test]
fn layers_in_the_wrong_place() {
    let sum = "{\"type\": \"DenseSum\", \"num_sums\": 2}";
    let no_leaf = format!("{{\"variables\": [1, 1, 1], \"layers\": [{sum}]}}");
    check(&no_leaf, &["layer 0 (DenseSum)", "leaf layer"]);
    check(&stack("[3]", ""), &["layer 0 (NormalLeaf)", "FlatToRegions"]);
    let leaf = "{\"type\": \"NormalLeaf\", \"num_components\": 2}, ";
    check(&stack("[1, 1, 1]", leaf), &["layer 1 (NormalLeaf)", "one leaf layer"]);
    let normalize = "{\"type\": \"NormalizeStandardScore\"}, ";
    check(&stack("[1, 1, 1]", normalize), &["layer 1 (NormalizeStandardScore)", "first layer"]);
    let flat = "{\"type\": \"FlatToRegions\", \"num_decomps\": 2}, ";
    check(&stack("[1, 1, 1]", flat), &["layer 1 (FlatToRegions)", "input rows"]);
    check(&stack("[2, 1, 1]", ""), &["layer 1 (RootSum)", "single scope", "[2, 1, 2]"]);
    check(&stack("[1, 1, 1]", "{\"type\": \"RootSum\"}, "), &["layer 2 (RootSum)", "last layer"]);
    let open = format!(
        "{{\"variables\": [1, 1, 1], \"layers\": [{{\"type\": \"NormalLeaf\", \"num_components\": 2}}, {sum}]}}"
    );
    check(&open, &["layer 1 (DenseSum)", "end it with RootSum"]);
    let indicator =
        r#"{"variables": [1, 1, 2], "layers": [{"type": "IndicatorLeaf", "num_components": 2}]}"#;
    check(indicator, &["layer 0 (IndicatorLeaf)", "one variable in each cell"]);
}

#[test]
fn options_that_do_not_fit() {
    let over = |layer: &str| message(&stack("[4, 4, 1]", &format!("{layer}, ")));
    let has = |layer: &str, parts: &[&str]| {
        let message = over(layer);
        assert!(message.starts_with("layer 1 ("), "{message}");
        for part in parts {
            assert!(message.contains(part), "`{message}` lacks `{part}`");
        }
    };
    has(r#"{"type": "DenseSum", "num_sums": 0}"#, &["`num_sums` is 0"]);
    has(r#"{"type": "DenseProduct", "num_factors": 3}"#, &["3 does not divide the 4 scopes"]);
    has(r#"{"type": "DenseProduct", "num_factors": 0}"#, &["`num_factors` is 0"]);
    has(r#"{"type": "Undecompose", "num_decomps": 3}"#, &["3 does not divide the 4 decomp"]);
    has(
        r#"{"type": "Conv2DProduct", "kernel_size": [2, 2], "dilations": [1, 4], "depthwise": true}"#,
        &["5 columns", "image has 4"],
    );
    has(
        r#"{"type": "Conv2DProduct", "kernel_size": [2, 2], "padding": "final", "depthwise": true}"#,
        &["4 rows", "reaches 2"],
    );
    has(r#"{"type": "Conv2DProduct", "kernel_size": [0, 2]}"#, &["`kernel_size` is 0"]);
    has(r#"{"type": "Conv2DProduct", "kernel_size": [2, 2], "strides": [1, 0]}"#, &["`strides`"]);
    has(r#"{"type": "Conv2DProduct", "kernel_size": [2]}"#, &["length"]);
    has(r#"{"type": "Conv2DProduct", "kernel_size": [1, 1], "padding": "same"}"#, &["same"]);
    has(r#"{"type": "PermuteAndPadScopes", "permutations": [[0]]}"#, &["4 decompositions"]);
    has(r#"{"type": "PermuteAndPadScopes", "permutations": [[0], [1], [4], [3]]}"#, &["scope 4"]);
    has(r#"{"type": "PermuteAndPadScopes", "permutations": [[0], [1], [-2], [3]]}"#, &["scope -2"]);
    has(r#"{"type": "PermuteAndPadScopes", "permutations": [[0], [1, 2], [2], [3]]}"#, &["list 1"]);
    has(r#"{"type": "PermuteAndPadScopesRandom"}"#, &["no DenseProduct"]);
    has(r#"{"type": "LogDropout", "rate": 1.5}"#, &["`rate` is 1.5"]);
    has(r#"{"type": "Dropout", "rate": 1.0}"#, &["`rate` is 1"]);
    has(r#"{"type": "LogDropout", "rate": 0.5, "axis_at_least_one": 1}"#, &["is 1; only"]);
    has(r#"{"type": "LogDropout", "rate": 0.5, "noise_shape": [4, 2, 2]}"#, &["axis 1"]);
    has(
        r#"{"type": "DenseSum", "num_sums": 2, "logspace_accumulator_constraint": "GreaterEqualEpsilonNormalized"}"#,
        &["use LogNormalized"],
    );
    has(
        r#"{"type": "DenseSum", "num_sums": 2, "logspace_accumulator_constraint": {"name": "LogNormalized", "axis": 7}}"#,
        &["axis outside"],
    );
    check(
        r#"{"variables": [1, 1, 1], "layers": [{"type": "NormalLeaf", "num_components": 2, "scale_constraint": "LogNormalized"}]}"#,
        &["scale_constraint"],
    );
}

#[test]
fn sizes_are_bounded_before_anything_is_made() {
    let huge = 1_u64 << 60;
    check(&stack("[4000000000, 4000000000, 2]", ""), &["`variables` is"]);
    check(&stack("[100000, 2000, 1]", ""), &["layer 0 (NormalLeaf)", "more than 268435456"]);
    for layer in [
        format!(r#"{{"type": "DenseSum", "num_sums": {huge}}}"#),
        format!(r#"{{"type": "Conv2DSum", "num_sums": {huge}}}"#),
        r#"{"type": "Local2DSum", "num_sums": 100000000}"#.to_owned(),
        format!(r#"{{"type": "ZeroPadding2D", "padding": {huge}}}"#),
        r#"{"type": "DenseProduct", "num_factors": 64}"#.to_owned(),
        r#"{"type": "Conv2DProduct", "kernel_size": [8, 8]}"#.to_owned(),
        format!(r#"{{"type": "Conv2DProduct", "kernel_size": [8, 8], "num_channels": {huge}}}"#),
        format!(r#"{{"type": "Conv2DProduct", "kernel_size": [{huge}, 1], "depthwise": true}}"#),
        format!(
            r#"{{"type": "Conv2DProduct", "kernel_size": [2, 1], "dilations": [{huge}, {huge}], "padding": "full", "depthwise": true}}"#
        ),
        r#"{"type": "Conv2DProduct", "kernel_size": [30000, 1], "padding": "full", "depthwise": true}"#.to_owned(),
    ] {
        let message = message(&stack("[64, 64, 1]", &format!("{layer}, ")));
        assert!(message.contains("layer 1 (") && message.contains("more than"), "{layer}: {message}");
    }
    let factors =
        r#"{"type": "PermuteAndPadScopesRandom", "factors": [1000000, 1000000, 1000000]}"#;
    let message = message(&stack("[4, 4, 1]", &format!("{factors}, ")));
    assert!(message.contains("more than"), "{message}");
}

#[test]
fn parameters_must_be_the_networks() {
    let file = stack("[1, 1, 1]", "");
    let model = build(&network(&file));
    let missing = Model::new(model.network.clone(), Parameters::default()).unwrap_err();
    assert!(matches!(missing, LayerError::Parameters { .. }), "{missing}");
    let renamed = |index: usize, change: &dyn Fn(&mut Parameter)| {
        let mut parameters = model.parameters.clone();
        change(parameters.get_mut(crate::ParameterId(index as u32)));
        let model = Model { network: model.network.clone(), parameters };
        model.lower().unwrap_err().to_string()
    };
    let error = renamed(2, &|p| p.name = "1/weights".to_owned());
    assert!(
        error.contains("layer 1 (RootSum): the parameter `1/sum_weights` is missing"),
        "{error}"
    );
    let error = renamed(0, &|p| p.shape = vec![2]);
    assert!(error.contains("layer 0 (NormalLeaf): the parameter `0/location` has"), "{error}");
    let error = renamed(1, &|p| p.values.clear());
    assert!(error.contains("0 values"), "{error}");
}

#[test]
fn any_prefix_of_a_file_is_an_error_not_a_panic() {
    let text = include_str!("../../../../examples/rat_spn.json");
    for end in (0..text.len() - 2).step_by(7) {
        assert!(Network::from_json(&text[..end]).is_err());
    }
}

/// Numbers of valid files replaced by others: whatever comes out, nothing panics.
#[test]
fn mutated_files_do_not_panic() {
    let replacements = ["0", "1", "2", "3", "7", "-1", "1e9", "null", "[]", "\"x\"", "4294967296"];
    for text in [
        include_str!("../../../../examples/rat_spn.json"),
        include_str!("../../../../examples/region_graph.json"),
        &stack(
            "[4, 4, 1]",
            r#"{"type": "Conv2DProduct", "kernel_size": [2, 2], "strides": [1, 1],
            "dilations": [3, 3], "padding": "final", "num_channels": 5},
            {"type": "LogDropout", "rate": 0.5}, {"type": "ZeroPadding2D", "padding": [1, 2]},
            {"type": "SpatialToRegions"}, {"type": "Undecompose", "num_decomps": 1}, "#,
        ),
    ] {
        let digits: Vec<usize> =
            text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
        for position in digits {
            for replacement in replacements {
                let mutated =
                    format!("{}{replacement}{}", &text[..position], &text[position + 1..]);
                let Ok(network) = Network::from_json(&mutated) else { continue };
                if let Ok(model) = network.build(&BuildOptions::default()) {
                    // A root over an empty scope is no error of the layers.
                    assert!(model.lower().is_ok(), "{mutated}");
                }
            }
        }
    }
}
