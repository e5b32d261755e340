// The arithmetic of a comparison, and how it is shown.

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		numbers []float64
		want    spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 3, 2, 1}, spread{2.5, 1, 4}},
		{[]float64{1, 1, 100, 1, 1}, spread{1, 1, 100}},
	} {
		if got := spreadOf(c.numbers); got != c.want {
			t.Errorf("%v: %v, want %v", c.numbers, got, c.want)
		}
	}
}

// rounds of CPU: the median of the ratios is not the ratio of the medians.
func roundsOf(m metric, pairs ...[2]float64) (rounds [][2]sample) {
	for _, p := range pairs {
		rounds = append(rounds, [2]sample{{m: p[0]}, {m: p[1]}})
	}
	return rounds
}

func TestRatiosAreMadeWithinARound(t *testing.T) {
	all := compare(roundsOf(cpu, [2]float64{10, 5}, [2]float64{100, 40}, [2]float64{20, 12}), nil)
	if len(all) != 1 || all[0].Ratio == nil || *all[0].Ratio != (spread{0.5, 0.4, 0.6}) {
		t.Fatalf("%+v, want ratios of 0.4, 0.5 and 0.6", all)
	}
	if all[0].Met != nil || all[0].Goal != "" {
		t.Error("there was no goal")
	}
}

func TestGoals(t *testing.T) {
	half := [2]float64{10, 5}
	for _, c := range []struct {
		goal goal
		pair [2]float64
		text string
		met  string
	}{
		{atMost(cpu, 0.5), half, "≤ 0.50×", "met"},
		{atMost(cpu, 0.49), half, "≤ 0.49×", "missed"},
		{atLeast(cpu, 0.5), half, "≥ 0.50×", "met"},
		{atLeast(cpu, 0.51), half, "≥ 0.51×", "missed"},
		{alone(atMost(cpu, 5)), half, "≤ 5.00", "met"},
		{alone(atMost(cpu, 4.9)), half, "≤ 4.90", "missed"},
		{atMost(throughput, 0.1), half, "", ""},
		{atMost(cpu, 0.5), [2]float64{0, 5}, "≤ 0.50×", ""},
		{alone(atMost(cpu, 5)), [2]float64{-1, 5}, "≤ 5.00", "met"},
	} {
		all := compare(roundsOf(cpu, c.pair), []goal{c.goal})
		cells := all[0].cells()
		if cells[5] != c.text || cells[6] != c.met {
			t.Errorf("%v of %v: %q %q, want %q %q", c.goal, c.pair, cells[5], cells[6], c.text, c.met)
		}
		if (all[0].Ratio != nil) != (c.pair[0] > 0) {
			t.Errorf("%v: ratio %v", c.pair, all[0].Ratio)
		}
		if _, err := json.Marshal(all); err != nil {
			t.Error(err)
		}
	}
}

func TestTables(t *testing.T) {
	usual := compare(roundsOf(cpu, [2]float64{10, 5}), []goal{atMost(cpu, 0.6)})
	var b strings.Builder
	printTables(&b, []outcome{
		{Title: "GET", Left: "nutcracker", Right: "pinion", Metrics: usual},
		{Title: "SET", Error: "reading: end\nlog of the proxy"},
		{Title: "more servers", Left: "small", Right: "large", Metrics: usual},
	})
	const want = `| load | metric          | nutcracker | pinion | ratio | min … max   | goal    |     |
|------|-----------------|------------|--------|-------|-------------|---------|-----|
| GET  | CPU, µs/request | 10.00      | 5.00   | 0.50  | 0.50 … 0.50 | ≤ 0.60× | met |
| SET  | reading: end    |            |        |       |             |         |     |

| load         | metric          | small | large | ratio | min … max   | goal    |     |
|--------------|-----------------|-------|-------|-------|-------------|---------|-----|
| more servers | CPU, µs/request | 10.00 | 5.00  | 0.50  | 0.50 … 0.50 | ≤ 0.60× | met |

`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
