use super::*;
use crate::{Combine, NodeKind, Origin};

const EXAMPLE: &str = r#"# every kind of statement
spn 1
variables 4
normalise sample-wise epsilon=1e-8

parameter w [2 2] frozen constraint=log-normalized(-2) = [-0.5, -1.5;
    -0.25 -inf]        # rows may go on
quantity weights = exp(w)
parameter "odd name" [2] = [1 2]
quantity scales [2 1] = softplus("odd name") bounds=[0.001 inf]
table t [0 0 1; 0 1 1]

a = leaf normal(0) x2 location=[0.0, 1.0] scale=scales
b = leaf categorical(1) x2 probabilities=[0.2 0.8; 0.6 0.4]
i = leaf indicator(2) x2
m = leaf laplace(0, 1) x2 location=[0 1; 2 3] scale=[1 1; 1 1]
p = product(a, b)
q = product(a, b) x4 outer
r = product(a, b) pick=t
r2 = product(a, b) pick=[1; 0]
s = sum(p, r2, m) x1 weights=[0.3 0.3 0.2 0.1 0.1]
u = sum(p) x2 weights=weights@0
d = dropout(u) sum rate=0.5 stream=3 keep-one
e = dropout(d) input rate=0.25 rescale
c = one x3
v = product(r, c)
z = sum(e, p) x2 weights=[0.25 0.25 0.25 0.25; 0 0 0.5 0.5]
root s
"#;

fn problem(text: &str) -> (u32, u32, String) {
    let error = parse(text).expect_err(text);
    (error.line, error.column, error.message())
}

/// The error of one statement in a small file; it stands in line 4.
fn problem_of(statement: &str) -> (u32, u32, String) {
    let a = "a = leaf indicator(0) x2";
    problem(&format!("spn 1\nvariables 2\n{a}\n{statement}\nroot a\n"))
}

#[test]
fn the_example_is_read_as_it_is_meant() {
    let circuit = parse(EXAMPLE).unwrap();
    assert_eq!(circuit.nodes.len(), 15);
    assert_eq!(circuit.nodes[circuit.root.index()].origin, Origin::Line(21));
    let NodeKind::Sum(sum) = &circuit.nodes[14].kind else { panic!("z is a sum") };
    // One row per output in the text, [inputs, outputs] in memory.
    let values = circuit.quantities[sum.weights.quantity.index()].evaluate(&circuit.parameters);
    assert_eq!(values, [0.25, 0.0, 0.25, 0.0, 0.25, 0.5, 0.25, 0.5]);
    let w = circuit.parameters.get(circuit.parameters.find("w").unwrap());
    assert!(!w.trainable && w.values[3] == f64::NEG_INFINITY);
    assert!(matches!(&circuit.nodes[6].kind,
        NodeKind::Product(product) if matches!(product.combine, Combine::Table(_))));
}

#[test]
fn printing_is_a_fixed_point_and_loses_nothing() {
    let circuit = parse(EXAMPLE).unwrap();
    let text = print(&circuit);
    let again = parse(&text).unwrap();
    assert_eq!(print(&again), text);
    assert_eq!(again.parameters, circuit.parameters);
    assert_eq!(again.quantities, circuit.quantities);
    assert_eq!(again.tables, circuit.tables);
    for (new, old) in again.nodes.iter().zip(&circuit.nodes) {
        assert_eq!((&new.kind, new.width, new.dropout), (&old.kind, old.width, old.dropout));
    }
    assert!(text.contains("location=[0 1; 2 3] scale=[1 1; 1 1]"), "{text}");
    assert!(text.contains("weights=[0.25 0.25 0.25 0.25; 0 0 0.5 0.5]"), "{text}");
}

#[test]
fn the_structure_has_no_numbers() {
    let text = print_structure(&parse(EXAMPLE).unwrap());
    assert!(text.contains("parameter w [2 2] frozen constraint=log-normalized(-2)\n"), "{text}");
    assert!(text.contains("probabilities=[…]"), "{text}");
    assert!(!text.contains("0.6"), "{text}");
}

#[test]
fn errors_show_the_place() {
    let error = parse("spn 1\nvariables 1\na = leaf indicator(0)\ns = sum(a, bb) weights=[1]\n")
        .unwrap_err();
    let expected = "line 4, column 12: there is no node `bb`: define it in a line before this one
 4 | s = sum(a, bb) weights=[1]
   |            ^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_node_that_is_defined_later_is_said_to_be() {
    let text = "spn 1\nvariables 1\np = product(a)\n\na = leaf indicator(0)\nroot p\n";
    let (line, column, message) = problem(text);
    assert_eq!((line, column), (3, 13));
    assert!(message.contains("defined later, in line 5"), "{message}");
}

#[test]
fn heads_of_files_are_checked() {
    let check = |text: &str, line: u32, column: u32, part: &str| {
        let (l, c, message) = problem(text);
        assert!(message.contains(part) && (l, c) == (line, column), "{l}:{c} {message}");
    };
    check("", 1, 1, "expected `spn`");
    check("spn 2\n", 1, 5, "version 2");
    check("spn 1\n", 2, 1, "expected `variables`");
    check("spn 1\nvariables -1\n", 2, 11, "from 0 to 2^24");
    check("spn 1\nvariables 4000000000\n", 2, 11, "from 0 to 2^24");
    check("spn 1\nvariables a a\n", 2, 13, "defined already");
    check("spn 1\nvariables 3 4\n", 2, 13, "end of the line");
    check("spn 1\nvariables 3\n", 3, 1, "expected `root`");
    check("spn 1\nvariables 3\nroot a\n", 3, 6, "no node `a`");
    check("spn 1\nvariables 1\na = one x2\nroot a\n", 4, 6, "the root has 2 units");
    check("spn 1\nvariables 1\na = one\nroot a\nb = one\n", 5, 1, "`root` is the last line");
}

#[test]
fn wrong_statements_are_explained() {
    let check = |statement: &str, column: u32, part: &str| {
        let (line, found, message) = problem_of(statement);
        let context = format!("{statement} -> {line}:{found} {message}");
        assert!(message.contains(part) && (line, found) == (4, column), "{context}");
    };
    check("a = one", 1, "node `a` is defined already, in line 3");
    check("b = leaf indicator(2)", 20, "variable 2 does not exist");
    check("b = leaf indicator(x)", 20, "expected a variable");
    check("b = leaf indicator()", 5, "at least one variable");
    check("b = leaf beta(0)", 10, "`laplace`");
    check("b = leaf indicator(0) x0", 5, "0 units");
    check("b = leaf normal(0) x2 location=[0 nan] scale=[1 1]", 35, "NaN");
    check("b = leaf normal(0) x2 location=[0 1e999] scale=[1 1]", 35, "largest");
    check("b = leaf normal(0) x2 location=[0 1 2] scale=[1 1]", 32, "2 rows of 1");
    check("b = leaf normal(0) x2 location=[0 1]", 5, "needs `scale`");
    check("b = leaf normal(0) location=0 scale=1", 29, "no quantity `0`");
    check("b = leaf categorical(0) x2 probabilities=[1 0; 1]", 50, "row 2");
    check("b = product(a) sharp", 16, "no (second) attribute `sharp`");
    check("b = product(a) x3", 16, "make it 2");
    check("b = product(a) pick=[0 2]", 21, "picks unit 2");
    check("b = product(a) pick=[0.5]", 21, "whole number");
    check("b = product()", 5, "at least one child");
    check("b = sum(a) x2 weights=[1 0 0 1]", 23, "2 rows of 2");
    check("b = dropout(a) sum rate=1.5", 25, "between 0 and 1");
    check("b = dropout(a) rate=0.5", 5, "`sum` or `input`");
    check("parameter w [2] = [1 2 3]", 19, "3 values, but its shape [2] has 2");
    check("parameter w [0] = []", 13, "at least 1");
    check("parameter w [2] constraint=log-normalized(3) = [1 2]", 28, "axis 3");
    check("parameter w [2] constraint=sharp = [1 2]", 28, "clip(minimum");
    check("quantity q = exp(w)", 18, "no parameter `w`");
    check("normalise fixed mean=[1] deviation=[1]", 22, "there are 2 variables");
    check("root \"a", 6, "quotation mark");
}

#[test]
fn declared_sizes_take_no_memory() {
    let (.., message) = problem_of("parameter w [4294967295 4294967295 4294967295] = [1]");
    assert!(message.contains("too many"), "{message}");
    let (.., message) = problem_of("b = one x67108865");
    assert!(message.contains("67108865 units"), "{message}");
    let many = "a, ".repeat(70);
    let sum = format!("b = sum({many}) x4294967295 weights=q");
    let wide = "parameter w [1] = [1]\nquantity q = direct(w)\na = one x67108864";
    let (line, _, message) = problem(&format!("spn 1\nvariables 0\n{wide}\n{sum}\nroot b\n"));
    assert!(line == 6 && message.contains("needs 18446744073709551615 values"), "{message}");
    let mut text = String::from("spn 1\nvariables 16777216\n");
    for variable in 0..300 {
        text += &format!("n{variable} = leaf indicator({})\n", 16_777_215 - variable);
    }
    let (line, _, message) = problem(&text);
    assert!(message.contains("too much memory") && line < 200, "{line} {message}");
}

#[test]
fn variables_can_have_names() {
    let text =
        "spn 1\nvariables age \"body height\"\nr = leaf indicator(\"body height\")\nroot r\n";
    let circuit = parse(text).unwrap();
    assert_eq!(circuit.variables, 2);
    assert!(circuit.scope(circuit.root).contains(1));
}
