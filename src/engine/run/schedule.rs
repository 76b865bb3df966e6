//! Which nodes of the graph may run, and in what order.  Knows no jobs.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody asked for it.
    Unwanted,
    /// Producers are not finished.
    Waiting,
    /// All producers are done.
    Ready,
    /// Taken by the walk: being looked up or run.
    Taken,
    Done,
    Failed,
    /// Something before it failed.
    Blocked,
}

/// The state of every node.
pub(super) struct Schedule<'a, N> {
    graph: &'a DiGraph<N, ()>,
    states: Vec<State>,
    ready: BTreeSet<NodeIndex>,
}

impl<'a, N> Schedule<'a, N> {
    pub(super) fn new(graph: &'a DiGraph<N, ()>, wanted: &BTreeSet<NodeIndex>) -> Self {
        let state = |node| {
            if wanted.contains(&node) {
                State::Waiting
            } else {
                State::Unwanted
            }
        };
        let mut this = Self {
            graph,
            states: graph.node_indices().map(state).collect(),
            ready: BTreeSet::new(),
        };
        for node in wanted {
            this.offer(*node);
        }
        this
    }

    pub(super) fn state(&self, node: NodeIndex) -> State {
        self.states[node.index()]
    }

    pub(super) fn count(&self, state: State) -> usize {
        self.states.iter().filter(|s| **s == state).count()
    }

    /// A node whose producers are all done, if there is one.
    pub(super) fn take(&mut self) -> Option<NodeIndex> {
        let node = self.ready.pop_first()?;
        self.states[node.index()] = State::Taken;
        Some(node)
    }

    pub(super) fn done(&mut self, node: NodeIndex) {
        self.states[node.index()] = State::Done;
        for consumer in self.graph.neighbors_directed(node, Direction::Outgoing) {
            self.offer(consumer);
        }
    }

    /// A done node is to run again: until then nothing that waits for it becomes ready.
    pub(super) fn reopen(&mut self, node: NodeIndex) {
        self.states[node.index()] = State::Taken;
        // A consumer that became ready meanwhile waits again.
        for consumer in self.graph.neighbors_directed(node, Direction::Outgoing) {
            if self.state(consumer) == State::Ready {
                self.states[consumer.index()] = State::Waiting;
                self.ready.remove(&consumer);
            }
        }
    }

    /// A taken node goes back to wait for its producers.
    pub(super) fn put_back(&mut self, node: NodeIndex) {
        self.states[node.index()] = State::Waiting;
        self.offer(node);
    }

    /// Marks a node failed, and what depends on it blocked.
    pub(super) fn fail(&mut self, node: NodeIndex) {
        self.states[node.index()] = State::Failed;
        self.ready.remove(&node);
        let mut open = vec![node];
        while let Some(before) = open.pop() {
            for after in self.graph.neighbors_directed(before, Direction::Outgoing) {
                // What ran again may have consumers that are done or run by now, and what is behind those has what it needs.
                if matches!(self.state(after), State::Waiting | State::Ready) {
                    self.states[after.index()] = State::Blocked;
                    self.ready.remove(&after);
                    open.push(after);
                }
            }
        }
    }

    fn offer(&mut self, node: NodeIndex) {
        let done = |producer| self.state(producer) == State::Done;
        if self.state(node) == State::Waiting && self.graph.neighbors_directed(node, Direction::Incoming).all(done) {
            self.states[node.index()] = State::Ready;
            self.ready.insert(node);
        }
    }
}

/// Nodes sort by this: first the one with the longest path of work behind it, then by their order in the plan.
pub(super) type Rank = (Reverse<u64>, NodeIndex);

/// The rank of each node: the weight of the heaviest path from it to the end of the graph.
pub(super) fn ranks<N>(graph: &DiGraph<N, ()>, weight: impl Fn(&N) -> u64) -> BTreeMap<NodeIndex, Rank> {
    let order = petgraph::algo::toposort(graph, None).expect("a plan has no cycles");
    let mut path = vec![0_u64; graph.node_count()];
    for node in order.into_iter().rev() {
        let behind = graph
            .neighbors(node)
            .map(|consumer| path[consumer.index()])
            .max()
            .unwrap_or(0);
        path[node.index()] = behind.saturating_add(weight(&graph[node]));
    }
    graph
        .node_indices()
        .map(|node| (node, (Reverse(path[node.index()]), node)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a → b → d, a → c → d, e alone.
    fn graph() -> (DiGraph<&'static str, ()>, [NodeIndex; 5]) {
        let mut graph = DiGraph::new();
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| graph.add_node(name));
        graph.extend_with_edges([(a, b), (a, c), (b, d), (c, d)]);
        (graph, [a, b, c, d, e])
    }

    fn all(graph: &DiGraph<&'static str, ()>) -> BTreeSet<NodeIndex> {
        graph.node_indices().collect()
    }

    #[test]
    fn a_node_is_ready_when_all_its_producers_are_done() {
        let (graph, [a, b, c, d, e]) = graph();
        let mut schedule = Schedule::new(&graph, &all(&graph));
        assert_eq!(
            [schedule.take(), schedule.take(), schedule.take()],
            [Some(a), Some(e), None]
        );
        schedule.done(a);
        assert_eq!(
            [schedule.take(), schedule.take(), schedule.take()],
            [Some(b), Some(c), None]
        );
        schedule.done(b);
        assert_eq!(schedule.take(), None);
        schedule.done(c);
        assert_eq!(schedule.take(), Some(d));
    }

    #[test]
    fn a_failure_blocks_what_depends_on_it_and_nothing_else() {
        let (graph, [a, b, c, d, e]) = graph();
        let mut schedule = Schedule::new(&graph, &all(&graph));
        schedule.done(a);
        schedule.fail(b);
        assert_eq!(
            [b, c, d, e].map(|n| schedule.state(n)),
            [State::Failed, State::Ready, State::Blocked, State::Ready]
        );
        schedule.done(c);
        assert_eq!(schedule.state(d), State::Blocked);
    }

    #[test]
    fn a_reopened_producer_holds_its_consumers_back() {
        let (graph, [a, b, c, d, _]) = graph();
        let mut schedule = Schedule::new(&graph, &all(&graph));
        for node in [a, b, c] {
            schedule.done(node);
        }
        schedule.reopen(b);
        assert_eq!(schedule.state(d), State::Waiting);
        schedule.done(b);
        assert_eq!(schedule.state(d), State::Ready);
    }

    #[test]
    fn a_failure_blocks_nothing_behind_consumers_that_are_done_or_run() {
        let mut graph = DiGraph::new();
        let names = ["maker", "done", "runs", "other", "behind", "new"];
        let [maker, done, runs, other, behind, new] = names.map(|name| graph.add_node(name));
        graph.extend_with_edges([
            (maker, done),
            (maker, runs),
            (done, behind),
            (runs, behind),
            (other, behind),
            (maker, new),
        ]);
        let mut schedule = Schedule::new(&graph, &all(&graph));
        assert_eq!([schedule.take(), schedule.take()], [Some(maker), Some(other)]);
        schedule.done(maker);
        assert_eq!([schedule.take(), schedule.take()], [Some(done), Some(runs)]);
        schedule.done(done);
        schedule.reopen(maker);
        schedule.fail(maker);
        assert_eq!(
            [maker, done, runs, behind, new].map(|n| schedule.state(n)),
            [State::Failed, State::Done, State::Taken, State::Waiting, State::Blocked]
        );
        schedule.done(runs);
        schedule.done(other);
        assert_eq!(schedule.state(behind), State::Ready);
    }

    #[test]
    fn a_node_put_back_is_ready_again_once_its_producers_are_done() {
        let (graph, [a, b, ..]) = graph();
        let mut schedule = Schedule::new(&graph, &[a, b].into());
        schedule.take();
        schedule.done(a);
        assert_eq!(schedule.take(), Some(b));
        schedule.reopen(a);
        schedule.put_back(b);
        assert_eq!(schedule.take(), None);
        schedule.done(a);
        assert_eq!(schedule.take(), Some(b));
    }

    #[test]
    fn the_longest_path_comes_first() {
        let (graph, [a, b, c, d, e]) = graph();
        let ranks = ranks(&graph, |name| if *name == "c" { 10 } else { 1 });
        let mut order = vec![a, b, c, d, e];
        order.sort_by_key(|node| ranks[node]);
        assert_eq!(order, [a, c, b, d, e]);
    }
}
