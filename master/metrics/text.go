// The text of a scrape, in the form that Prometheus calls text/plain; version=0.0.4, straight from what was read: there may be thousands
// of servers with dozens of samples each.

package metrics

import (
	"math"
	"strconv"
	"strings"
)

// kind is that of a family, as the text calls it.
type kind string

const (
	counter    kind = "counter"
	gauge      kind = "gauge"
	histograms kind = "histogram"
)

// labels are those of a sample as they stand in the text, without the braces.
type labels string

// labelsOf makes labels of names, with spaces between, and as many values.
func labelsOf(names string, values ...string) labels {
	var b strings.Builder
	for i := range values {
		name, rest, _ := strings.Cut(names, " ")
		names = rest
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(name)
		b.WriteString(`="`)
		b.WriteString(escape(values[i]))
		b.WriteByte('"')
	}
	return labels(b.String())
}

// and adds labels that stand behind.
func (l labels) and(more labels) labels { return l + "," + more }

var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// escape returns a value as it stands between quotes. Prometheus would refuse the whole scrape for one that is no UTF-8.
func escape(value string) string { return escapes.Replace(strings.ToValidUTF8(value, "\uFFFD")) }

// text is that of a scrape, as far as it is written.
type text struct {
	b       []byte
	name    string // of the family under way
	pending string // its head, until it has a sample
}

// begin begins a family. Without samples it does not appear.
func (t *text) begin(name string, of kind, help string) {
	t.name = name
	t.pending = "# HELP " + name + " " + strings.ReplaceAll(help, `\`, `\\`) + "\n# TYPE " + name + " " + string(of) + "\n"
}

// add adds a sample of the family under way.
func (t *text) add(l labels, value float64) { t.sample("", l, "", value) }

// sample adds one whose name has a suffix, and which has one more label.
func (t *text) sample(suffix string, l labels, last string, value float64) {
	t.b = append(t.b, t.pending...)
	t.pending = ""
	t.b = append(t.b, t.name...)
	t.b = append(t.b, suffix...)
	if l != "" || last != "" {
		t.b = append(t.b, '{')
		t.b = append(t.b, l...)
		if l != "" && last != "" {
			t.b = append(t.b, ',')
		}
		t.b = append(t.b, last...)
		t.b = append(t.b, '}')
	}
	t.b = append(t.b, ' ')
	t.b = append(appendValue(t.b, value), '\n')
}

// appendValue appends a number: as it is, if it is whole and no float64 has lost any of it.
func appendValue(b []byte, v float64) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

const aboveAll = `le="+Inf"`

// histogram adds one: how many were at most each bound, how many there were, and their sum.
func (t *text) histogram(l labels, bounds []string, below []uint64, all uint64, sum float64) {
	for i, bound := range bounds {
		t.sample("_bucket", l, bound, float64(below[i]))
	}
	t.sample("_bucket", l, aboveAll, float64(all))
	t.sample("_sum", l, "", sum)
	t.sample("_count", l, "", float64(all))
}
