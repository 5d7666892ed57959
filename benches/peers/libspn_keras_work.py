"""The 28x28 network of its README in libspn-keras, from our layer file: names and options are the same."""

import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

# Its optimiser was written for the class that newer versions of TensorFlow call legacy.
tf.keras.optimizers.Optimizer = tf.keras.optimizers.legacy.Optimizer

import libspn_keras as spnk

import timing

NETWORK = pathlib.Path(__file__).resolve().parents[2] / "examples" / "dgc_spn_mnist.json"

SUM_OPS = {
    "em": spnk.SumOpEMBackprop,
    "hard-em": spnk.SumOpHardEMBackprop,
}


def layer(description, counts):
    """One layer of the file; for expectation maximisation leaves hold moment accumulators."""
    options = dict(description)
    kind = options.pop("type")
    for name, value in options.items():
        if name.endswith("_initializer"):
            value = dict(value)
            options[name] = getattr(tf.keras.initializers, value.pop("name"))(**value)
    if kind == "NormalizeStandardScore":
        options["axes"] = spnk.layers.NormalizeAxes.SAMPLE_WISE
    if kind == "NormalLeaf" and counts:
        options["use_accumulators"] = True
    return getattr(spnk.layers, kind)(**options)


def network(operation):
    """The model, compiled for the operation."""
    counts = operation in SUM_OPS
    spnk.set_default_sum_op(SUM_OPS[operation]() if counts else spnk.SumOpGradBackprop())
    file = json.loads(NETWORK.read_text())
    layers = [layer(description, counts) for description in file["layers"]]
    layers[0] = type(layers[0])(axes=spnk.layers.NormalizeAxes.SAMPLE_WISE, input_shape=(28, 28, 1))
    model = spnk.models.SequentialSumProductNetwork(layers, unsupervised=False)
    if counts:
        optimizer = spnk.optimizers.OnlineExpectationMaximization(learning_rate=0.05)
        model.compile(loss=spnk.losses.NegativeLogJoint(), optimizer=optimizer)
    else:
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(loss=loss, optimizer=tf.keras.optimizers.legacy.Adam(1e-2))
    return model


def main():
    operation, batch, seconds, threads = timing.arguments()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    random = np.random.default_rng(0)
    images = tf.constant(random.uniform(0, 255, (batch, 28, 28, 1)).astype(np.float32))
    labels = tf.constant(np.arange(batch, dtype=np.int32) % 10)
    model = network(operation)
    if operation == "loglik":
        forward = tf.function(lambda rows: model(rows, training=False))
        timing.report(lambda: forward(images).numpy(), batch, seconds)
    else:
        timing.report(lambda: model.train_on_batch(images, labels), batch, seconds)


main()
