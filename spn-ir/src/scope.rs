//! Scopes: the sets of variables a unit's value depends on.
//!
//! A [`Scope`] is a bit set over variable indices. Every scope that occurs in a circuit is kept
//! once in a [`ScopeTable`], so that nodes hold a small [`ScopeId`] and two scopes are equal
//! exactly if their ids are.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

const WORD: usize = u64::BITS as usize;

/// A set of variables, as a bit set from the word of its first variable to that of its last: the
/// scope of a leaf is one word, whatever its variable's index.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// Index of the first word; 0 if there is none.
    start: usize,
    /// Neither the first nor the last one is 0, so that equal sets are equal values.
    words: SmallVec<[u64; 2]>,
}

impl Scope {
    /// The scope without variables: that of a constant.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The scope of the given variable indices.
    pub fn from_variables(variables: impl IntoIterator<Item = usize>) -> Self {
        let mut scope = Self::empty();
        for variable in variables {
            scope.insert(variable);
        }
        scope
    }

    /// Adds one variable.
    pub fn insert(&mut self, variable: usize) {
        let word = variable / WORD;
        self.cover(word, word + 1);
        self.words[word - self.start] |= 1 << (variable % WORD);
    }

    /// Adds every variable of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.cover(other.start, other.end());
        let mine = &mut self.words[other.start - self.start..];
        for (mine, theirs) in mine.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// Whether the scope has no variable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How many variables the scope has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether the scope has this variable.
    #[must_use]
    pub fn contains(&self, variable: usize) -> bool {
        self.word(variable / WORD) >> (variable % WORD) & 1 == 1
    }

    /// The variables of the scope, ascending.
    pub fn variables(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let first = (self.start + index) * WORD;
            (0..WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }

    /// The variables that both scopes have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine & theirs)
    }

    /// The variables of this scope that `other` does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine & !theirs)
    }

    /// Whether the two scopes have no variable in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let common = self.start.max(other.start)..self.end().min(other.end());
        common.into_iter().all(|word| self.word(word) & other.word(word) == 0)
    }

    /// Index behind the last word.
    fn end(&self) -> usize {
        self.start + self.words.len()
    }

    /// The word at this index, 0 outside.
    fn word(&self, index: usize) -> u64 {
        let word = index.checked_sub(self.start).and_then(|index| self.words.get(index));
        word.copied().unwrap_or(0)
    }

    /// Makes room for the words `start..end`; the caller sets a bit in the first and the last.
    fn cover(&mut self, start: usize, end: usize) {
        if self.words.is_empty() {
            self.start = start;
        }
        if start < self.start {
            let missing = self.start - start;
            self.words.insert_many(0, std::iter::repeat_n(0, missing));
            self.start = start;
        }
        if end > self.end() {
            self.words.resize(end - self.start, 0);
        }
    }

    /// Word by word over this scope's words, without empty ones at either end.
    fn combine(&self, other: &Self, word: impl Fn(u64, u64) -> u64) -> Self {
        let words = (self.start..self.end()).map(|at| word(self.word(at), other.word(at)));
        let mut words: SmallVec<[u64; 2]> = words.collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        let zeros = words.iter().take_while(|word| **word == 0).count();
        words.drain(..zeros);
        let start = if words.is_empty() { 0 } else { self.start + zeros };
        Self { start, words }
    }
}

/// Index of a scope in its circuit's [`ScopeTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScopeId(u32);

/// Every scope of a circuit, each kept once. A clone shares the table until one of them gets a new
/// scope.
#[derive(Clone, Debug, Default)]
pub struct ScopeTable(Arc<Table>);

#[derive(Clone, Debug, Default)]
struct Table {
    scopes: Vec<Arc<Scope>>,
    /// Only looked up, never iterated over: its order is random.
    ids: HashMap<Arc<Scope>, ScopeId>,
}

impl ScopeTable {
    /// The id of `scope`, which is added if it is new.
    pub fn intern(&mut self, scope: Scope) -> ScopeId {
        if let Some(&id) = self.0.ids.get(&scope) {
            return id;
        }
        let Table { scopes, ids } = Arc::make_mut(&mut self.0);
        let id = ScopeId(scopes.len() as u32);
        let scope = Arc::new(scope);
        ids.insert(Arc::clone(&scope), id);
        scopes.push(scope);
        id
    }

    /// The scope with this id.
    #[must_use]
    pub fn get(&self, id: ScopeId) -> &Scope {
        &self.0.scopes[id.0 as usize]
    }

    /// How many different scopes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.scopes.len()
    }

    /// Whether no scope was interned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.scopes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_id() {
        let mut table = ScopeTable::default();
        let first = table.intern(Scope::from_variables([3, 200]));
        let second = table.intern(Scope::from_variables([200, 3, 3]));
        let other = table.intern(Scope::from_variables([3]));
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn set_operations_agree_with_their_definition() {
        let left = Scope::from_variables([0, 5, 64, 130]);
        let right = Scope::from_variables([5, 64]);
        assert_eq!(left.intersection(&right), right);
        assert_eq!(left.difference(&right), Scope::from_variables([0, 130]));
        assert_eq!(right.difference(&left), Scope::empty());
        assert!(right.difference(&left).is_empty());
        assert!(!left.is_disjoint(&right));
        assert!(left.is_disjoint(&Scope::from_variables([1, 131])));
        assert_eq!(left.variables().collect::<Vec<_>>(), [0, 5, 64, 130]);
        assert_eq!(left.len(), 4);
        assert!(left.contains(130) && !left.contains(131) && !left.contains(1000));
    }

    #[test]
    fn set_operations_agree_with_ordered_sets() {
        use std::collections::BTreeSet;

        use rand::RngExt;
        let mut random = crate::random::stream(5, 0);
        for _ in 0..2000 {
            let mut set = || -> BTreeSet<usize> {
                let (first, length) = (random.random_range(0..300), random.random_range(1..300));
                let count = random.random_range(0..6);
                (0..count).map(|_| first + random.random_range(0..length)).collect()
            };
            let (left, right) = (set(), set());
            // Inserted in opposite orders: what a set is must not depend on how it came to be.
            let scope = |set: &BTreeSet<usize>| Scope::from_variables(set.iter().copied());
            let backwards =
                |set: &BTreeSet<usize>| Scope::from_variables(set.iter().rev().copied());
            let (a, b) = (scope(&left), backwards(&right));
            assert_eq!(backwards(&left), a);
            assert_eq!(a.intersection(&b), scope(&(&left & &right)));
            assert_eq!(a.difference(&b), scope(&(&left - &right)));
            let mut union = a.clone();
            union.union_with(&b);
            assert_eq!(union, scope(&(&left | &right)));
            assert_eq!(a.is_disjoint(&b), left.is_disjoint(&right));
            assert_eq!(a.variables().collect::<BTreeSet<_>>(), left);
            assert_eq!((a.len(), a.is_empty()), (left.len(), left.is_empty()));
            assert!((0..700).all(|v| a.contains(v) == left.contains(&v)));
        }
    }

    #[test]
    fn far_variables_take_no_room() {
        let scope = Scope::from_variables([1 << 40]);
        assert_eq!(scope.words.len(), 1);
        assert_eq!(scope.variables().collect::<Vec<_>>(), [1 << 40]);
    }
}
