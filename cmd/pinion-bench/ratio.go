// From rounds to a verdict: what a metric is, the median of its ratios, and the goal it is held against.

package main

import (
	"fmt"
	"slices"
)

// metric is something that a round measures.
type metric int

const (
	cpu metric = iota
	throughput
	p50
	p99
	memoryPerConnection
	memoryAfterBurst
	memory
	cpuDelivery
	cpuDeliveryInAll
	metricCount
)

var metrics = [metricCount]struct{ name, unit, format string }{
	cpu:                 {"CPU", "µs/request", "%.2f"},
	throughput:          {"throughput", "requests/s", "%.0f"},
	p50:                 {"p50", "µs", "%.0f"},
	p99:                 {"p99", "µs", "%.0f"},
	memoryPerConnection: {"memory", "bytes/connection", "%.0f"},
	memoryAfterBurst:    {"memory", "after ÷ before", "%.2f"},
	memory:              {"memory", "MiB", "%.1f"},
	cpuDelivery:         {"CPU of who delivers", "µs/delivery", "%.2f"},
	cpuDeliveryInAll:    {"CPU, server included", "µs/delivery", "%.2f"},
}

// sample is what one round has measured.
type sample map[metric]float64

// goal is what a comparison must reach.
type goal struct {
	metric  metric
	bound   float64
	atLeast bool // else at most
	alone   bool // holds for the right arm's own median, not for the ratio
}

func (g goal) String() string {
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	if g.alone {
		return fmt.Sprintf("%s "+metrics[g.metric].format, sign, g.bound)
	}
	return fmt.Sprintf("%s %.2f×", sign, g.bound)
}

// spread is the middle and the ends of some numbers.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf needs at least one number. The median of an even count is the mean of the middle two.
func spreadOf(numbers []float64) spread {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// comparison is one metric of a row: its rounds, and what they come to.
type comparison struct {
	Metric string    `json:"metric"`
	Unit   string    `json:"unit"`
	Left   []float64 `json:"left"`            // one per round
	Right  []float64 `json:"right"`           // one per round
	Ratio  *spread   `json:"ratio,omitempty"` // right ÷ left within a round; none where the left is not above zero
	Goal   string    `json:"goal,omitempty"`
	Met    *bool     `json:"met,omitempty"`

	format string
}

// compare makes the comparison of each metric that the rounds have measured. rounds holds pairs of left and right.
func compare(rounds [][2]sample, goals []goal) (all []comparison) {
	for m := range metricCount {
		if _, measured := rounds[0][0][m]; !measured {
			continue
		}
		c := comparison{Metric: metrics[m].name, Unit: metrics[m].unit, format: metrics[m].format}
		var ratios []float64
		for _, round := range rounds {
			left, right := round[0][m], round[1][m]
			c.Left, c.Right = append(c.Left, left), append(c.Right, right)
			if left > 0 {
				ratios = append(ratios, right/left)
			}
		}
		if len(ratios) == len(rounds) {
			s := spreadOf(ratios)
			c.Ratio = &s
		}
		if i := slices.IndexFunc(goals, func(g goal) bool { return g.metric == m }); i >= 0 {
			c.judge(goals[i])
		}
		all = append(all, c)
	}
	return all
}

// judge holds the comparison against its goal.
func (c *comparison) judge(g goal) {
	c.Goal = g.String()
	reached := spreadOf(c.Right).Median
	if !g.alone {
		if c.Ratio == nil {
			return
		}
		reached = c.Ratio.Median
	}
	met := reached <= g.bound
	if g.atLeast {
		met = reached >= g.bound
	}
	c.Met = &met
}
