// Package flowgen makes random flows that Metaflow's lint accepts, and says
// what running them must give.
//
// A flow is grown from a seed: regions of items, each item a step, a switch, a
// loop, or a block (foreach, static split, gang) with regions inside.
//
//	region   item0 ──> item1 ──> ... ──> exit      edges lead forward only, a switch has several
//	item     step | switch | loop | foreach(region) | split(region, region, ...) | gang
//
// Whatever a task decides (how many splits, which case, how many turns of a
// loop, the size of a gang, how many attempts fail) is a pure function of seed,
// step, index path and turn, computed alike by Go (Flow.Transition) and by the
// flow's Python source (Flow.Script). So a model of Metaflow's scheduling
// (Flow.Tasks, written from how its own runtime decides and from nothing else)
// can say beforehand which tasks there will be, and with which inputs.
package flowgen
