//! First values, data, seeds.

use crate::initializers::Initializer;
use crate::layers::{
    AdaptData, BuildOptions, ConstraintChoice, DenseSum, FlatToRegions, Layer, Local2DSum, Model,
    Network, NormalLeaf, NormalizeAxes, NormalizeStandardScore, RootSum, TrainingData,
};
use crate::{Constraint, Formula, Normalisation};

use super::{build, lower, network};

fn values<'a>(model: &'a Model, name: &str) -> &'a [f64] {
    let id = model.parameters.find(name).unwrap_or_else(|| panic!("no {name}"));
    &model.parameters.get(id).values
}

fn leaf_network(leaf: NormalLeaf) -> Network {
    Network::new([1, 2, 1])
        .layer(leaf)
        .layer(Local2DSum::new(2))
        .layer(crate::layers::ReduceProduct::new(1))
        .layer(crate::layers::SpatialToRegions {})
        .layer(RootSum::default())
}

#[test]
fn the_seed_decides() {
    let network = network(include_str!("../../../../examples/rat_spn.json"));
    let with = |seed| network.build(&BuildOptions { seed, data: None }).unwrap();
    assert_eq!(with(3), with(3));
    assert_ne!(with(3).network, with(4).network);
    assert_ne!(with(3).parameters, with(4).parameters);
    let Layer::PermuteAndPadScopes(permute) = &with(3).network.layers[2] else {
        panic!("the permutation was not drawn");
    };
    assert_eq!(permute.permutations.len(), 4);
    assert!(permute.permutations.iter().all(|p| p.len() == 16));
    assert_ne!(permute.permutations[0], permute.permutations[1]);
}

#[test]
fn first_weights_are_normalised_logarithms() {
    let model = build(&leaf_network(NormalLeaf::new(3)));
    let weights = values(&model, "1/sum_weights");
    for cell in weights.chunks_exact(6) {
        for sum in 0..2 {
            let total: f64 = cell.iter().skip(sum).step_by(2).map(|w| w.exp()).sum();
            assert!((total - 1.0).abs() < 1e-12, "{total}");
        }
    }
}

#[test]
fn negative_draws_become_small_weights() {
    let negative = Initializer::Constant { value: -1.0 };
    let network = Network::new([1, 1, 1])
        .layer(NormalLeaf::new(4))
        .layer(DenseSum::new(2).accumulator_initializer(negative))
        .layer(RootSum::default());
    for weight in values(&build(&network), "1/sum_weights") {
        assert!((weight - 0.25_f64.ln()).abs() < 1e-12);
    }
}

#[test]
fn formulas_follow_space_and_constraint() {
    let formula = |options: &str| {
        let text = format!(
            r#"{{"variables": [1, 1, 1], "layers": [{{"type": "NormalLeaf", "num_components": 2}},
                {{"type": "RootSum"{options}}}]}}"#
        );
        let lowered = lower(&network(&text));
        let weights = lowered.circuit.quantities.last().unwrap().formula;
        let constraint = lowered.circuit.parameters.get(weights.parameters()[0]).constraint;
        (weights, constraint.is_some())
    };
    let id = crate::ParameterId(2);
    assert_eq!(formula(""), (Formula::Exp(id), true));
    let identity = r#", "logspace_accumulator_constraint": "Identity""#;
    assert_eq!(formula(identity), (Formula::Softmax(id), false));
    let linear = r#", "logspace_accumulators": false"#;
    assert_eq!(formula(linear), (Formula::Direct(id), true));
    let bounded = r#", "logspace_accumulators": false,
        "linear_accumulator_constraint": {"name": "GreaterEqualEpsilon", "epsilon": 1e-5}"#;
    assert_eq!(formula(bounded), (Formula::Normalized(id), true));
}

#[test]
fn trainable_scales_are_stored_as_inverse_softplus() {
    let half = Initializer::Constant { value: 0.5 };
    let network = leaf_network(NormalLeaf::new(2).scale_trainable(true).scale_initializer(half));
    let model = build(&network);
    for stored in values(&model, "0/scale") {
        assert!((stored.exp().ln_1p() - 0.5).abs() < 1e-12);
    }
    let scale = model.parameters.get(model.parameters.find("0/scale").unwrap());
    let expected = Constraint::Clip { minimum: -2.0, maximum: f64::INFINITY };
    assert_eq!((scale.trainable, scale.constraint), (true, Some(expected)));
    let lowered = model.lower().unwrap();
    assert!(
        lowered.circuit.quantities[1]
            .evaluate(&model.parameters)
            .iter()
            .all(|s| (s - 0.5).abs() < 1e-12)
    );
}

#[test]
fn accumulators_hold_moments() {
    let two = Initializer::Constant { value: 2.0 };
    let mut leaf = NormalLeaf::new(2).scale_trainable(true).use_accumulators(true);
    leaf.0.accumulator_initializer = Some(two);
    leaf.0.scale_constraint =
        Some(ConstraintChoice::Constraint(Constraint::GreaterEqualEpsilon { epsilon: 0.1 }));
    let variables = build(&leaf_network(NormalLeaf::new(2)));
    let model = build(&leaf_network(leaf));
    let names: Vec<&str> = model.parameters.iter().take(4).map(|(_, p)| p.name.as_str()).collect();
    let expected = [
        "0/first_order_moment_denom_accum",
        "0/first_order_moment_num_accum",
        "0/second_order_moment_denom_accum",
        "0/second_order_moment_num_accum",
    ];
    assert_eq!(names, expected);
    let lowered = model.lower().unwrap();
    let quantity = |index: usize| lowered.circuit.quantities[index].evaluate(&model.parameters);
    for (location, expected) in quantity(0).iter().zip(values(&variables, "0/location")) {
        assert!((location - expected).abs() < 1e-12);
    }
    assert!(quantity(1).iter().all(|scale| (scale - 1.0).abs() < 1e-9));
    assert_eq!(lowered.circuit.quantities[1].bounds, Some((0.1, f64::INFINITY)));
}

#[test]
fn fixed_scales_stay_a_variable_beside_accumulators() {
    let model = build(&leaf_network(NormalLeaf::new(2).use_accumulators(true)));
    let scale = model.parameters.get(model.parameters.find("0/scale").unwrap());
    assert_eq!((scale.trainable, scale.constraint), (false, None));
    assert_eq!(scale.shape, [1, 1, 2, 2, 1]);
    assert_eq!(scale.values, [1.0; 4]);
}

#[test]
fn statistics_come_from_data_and_skip_missing_values() {
    let layers = |axes| {
        Network::new([2])
            .layer(NormalizeStandardScore::new(axes))
            .layer(FlatToRegions::new(1))
            .layer(NormalLeaf::new(1))
            .layer(crate::layers::ReduceProduct::new(2))
            .layer(RootSum::default())
    };
    let rows = [1.0_f32, 10.0, f32::NAN, 20.0, 3.0, f32::NAN];
    let data = Some(TrainingData::from_f32(&rows, 2));
    let model = layers(NormalizeAxes::VariableWise).build(&BuildOptions { seed: 0, data }).unwrap();
    assert_eq!(values(&model, "0/mean"), [2.0, 15.0]);
    assert_eq!(values(&model, "0/stddev"), [1.0, 5.0]);
    let normalisation = model.lower().unwrap().circuit.normalisation.unwrap();
    let expected =
        Normalisation::Fixed { mean: vec![2.0, 15.0], deviation: vec![1.0, 5.0], epsilon: 1e-8 };
    assert_eq!(normalisation, expected);
    let model = layers(NormalizeAxes::Global).build(&BuildOptions { seed: 0, data }).unwrap();
    assert_eq!(values(&model, "0/mean"), [8.5]);
    assert!(model.parameters.get(crate::ParameterId(0)).shape.is_empty());
    let error = layers(NormalizeAxes::Global).build(&BuildOptions::default()).unwrap_err();
    assert!(error.to_string().contains("pass training data"), "{error}");
}

#[test]
fn inline_data_become_parameters() {
    let mut normalize = NormalizeStandardScore::new(NormalizeAxes::VariableWise);
    normalize.adapt_data = Some(AdaptData(vec![1.0, 5.0, 3.0, 5.0]));
    let network = Network::new([1, 2, 1])
        .layer(normalize)
        .layer(NormalLeaf::new(1))
        .layer(crate::layers::Conv2DProduct::depthwise([1, 2]))
        .layer(RootSum::default());
    let model = build(&network);
    assert_eq!(values(&model, "0/mean"), [2.0, 5.0]);
    assert_eq!(values(&model, "0/stddev"), [1.0, 0.0]);
    assert!(!model.network.to_json().contains("adapt_data"));
}

#[test]
fn leaves_learn_locations_from_normalised_data() {
    let text = r#"{"variables": [2], "layers": [
        {"type": "NormalizeStandardScore", "axes": "variable-wise"},
        {"type": "FlatToRegions", "num_decomps": 2},
        {"type": "NormalLeaf", "num_components": 2,
         "location_initializer": "PoonDomingosMeanOfQuantileSplit"},
        {"type": "ReduceProduct", "num_factors": 2},
        {"type": "RootSum"}]}"#;
    let network = network(text);
    let rows = [0.0, 100.0, 2.0, 300.0, 10.0, 500.0, 12.0, 700.0];
    let data = Some(TrainingData::from_f64(&rows, 2));
    let model = network.build(&BuildOptions { seed: 0, data }).unwrap();
    // Both variables have quantile means at -5 / 5 and -200 / 200 around their means.
    let deviations = [26.0_f64.sqrt(), 50_000.0_f64.sqrt()];
    let expected = [5.0, 200.0].iter().zip(deviations).flat_map(|(step, deviation)| {
        let location = step / (deviation + 1e-8);
        [-location, location, -location, location]
    });
    for (found, expected) in values(&model, "2/location").iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
    let error = network.build(&BuildOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("layer 0 (NormalizeStandardScore)"), "{error}");
}
