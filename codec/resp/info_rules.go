// How each field of INFO becomes one for several servers.

package resp

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// infoRule makes one value of several servers' values, none if the field is to be left out, or returns them as they are if the
// value follows from other fields.
type infoRule func(values []string) []string

// infoSections are the rules for the sections that count and measure. Of other sections the first server's fields count.
var infoSections = map[string]infoRule{
	"Clients": infoSum, "Memory": infoSum, "Persistence": infoSum, "Stats": infoSum, "CPU": infoSum,
	"Commandstats": infoParts, "Errorstats": infoParts, "Latencystats": infoParts, "Keyspace": infoParts, "Keysizes": infoParts,
	"Threads": infoParts,
}

// infoRules are the fields that are not merged like others of their section.
var infoRules = map[string]infoRule{
	"redis_version": infoOldest,
	"executable":    infoSame,
	"config_file":   infoSame,

	"client_recent_max_input_buffer":  infoLargest,
	"client_recent_max_output_buffer": infoLargest,
	"io_threads_active":               infoLargest,

	"maxmemory":                           infoLimit,
	"maxmemory_policy":                    infoSame,
	"mem_allocator":                       infoFirst,
	"active_defrag_running":               infoLargest,
	"number_of_cached_scripts":            infoLargest, // each server has all of them
	"number_of_functions":                 infoLargest,
	"number_of_libraries":                 infoLargest,
	"used_memory_peak_perc":               infoDerived,
	"used_memory_dataset_perc":            infoDerived,
	"used_memory_peak_time":               infoLargest,
	"allocator_frag_ratio":                infoDerived,
	"allocator_rss_ratio":                 infoDerived,
	"rss_overhead_ratio":                  infoDerived,
	"mem_fragmentation_ratio":             infoDerived,
	"mem_overhead_db_hashtable_rehashing": infoSum,

	"loading":            infoSmallest, // while one of them serves, the pool does
	"async_loading":      infoSmallest,
	"rdb_last_save_time": infoSmallest, // all is saved as of then
	"loading_start_time": infoSmallest,

	"latest_fork_usec":               infoLargest,
	"expired_stale_perc":             infoLargest,
	"pubsub_patterns":                infoLargest, // each server is asked for all of them
	"current_eviction_exceeded_time": infoLargest,
	"current_active_defrag_time":     infoLargest,

	"connected_slaves":     infoSum,
	"repl_backlog_size":    infoSum,
	"repl_backlog_histlen": infoSum,
}

// infoEndings are rules by how a name ends, for names without a rule.
var infoEndings = []struct {
	ending string
	rule   infoRule
}{
	{"_human", infoDerived},
	{"_status", infoWorst},
	{"_in_progress", infoLargest},
	{"_scheduled", infoLargest},
	{"_enabled", infoLargest},
	{"_sec", infoLargest},
	{"_perc", infoLargest},
	{"_ratio", infoLargest},
}

// rule returns the rule for a field of the section.
func (s *infoSection) rule(name string) infoRule {
	if rule := infoRules[name]; rule != nil {
		return rule
	}
	rule := infoSections[s.name]
	if rule == nil {
		return infoFirst
	}
	for _, e := range infoEndings {
		if strings.HasSuffix(name, e.ending) && s.name != "CPU" {
			return e.rule
		}
	}
	return rule
}

func infoFirst(values []string) []string { return values[:1] }

func infoDerived(values []string) []string { return values }

// infoSame leaves a field out that the servers differ in.
func infoSame(values []string) []string {
	for _, v := range values {
		if v != values[0] {
			return nil
		}
	}
	return values[:1]
}

// infoWorst is the first status that is not ok.
func infoWorst(values []string) []string {
	for i, v := range values {
		if v != "ok" {
			return values[i : i+1]
		}
	}
	return values[:1]
}

// infoOldest is the lowest version.
func infoOldest(values []string) []string { return []string{OldestVersion(values)} }

// infoLimit is the sum of limits, of which 0 is none.
func infoLimit(values []string) []string {
	if slices.Contains(values, "0") {
		return []string{"0"}
	}
	return infoSum(values)
}

func infoLargest(values []string) []string  { return []string{slices.MaxFunc(values, compareNumbers)} }
func infoSmallest(values []string) []string { return []string{slices.MinFunc(values, compareNumbers)} }

func compareNumbers(a, b string) int {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return cmp.Compare(x, y)
}

// infoSum adds up integers, or numbers with as many decimals as the first one has. What is no number cannot be added: the first
// counts.
func infoSum(values []string) []string {
	sum, integers := int64(0), true
	total := 0.0
	for _, v := range values {
		n, err := strconv.ParseInt(v, 10, 64)
		integers = integers && err == nil
		sum += n
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return values[:1]
		}
		total += f
	}
	if integers {
		return []string{strconv.FormatInt(sum, 10)}
	}
	_, decimals, _ := strings.Cut(values[0], ".")
	return []string{strconv.FormatFloat(total, 'f', len(decimals), 64)}
}

// infoParts merges values such as "calls=3,usec=20,usec_per_call=6.67", part by part.
func infoParts(values []string) []string {
	var names []string
	parts := map[string][]string{}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, value, _ := strings.Cut(part, "=")
			if parts[name] == nil {
				names = append(names, name)
			}
			parts[name] = append(parts[name], value)
		}
	}
	merged := map[string]string{}
	for name, v := range parts {
		if strings.HasPrefix(name, "p") { // a percentile
			merged[name] = infoLargest(v)[0]
		} else {
			merged[name] = infoSum(v)[0]
		}
	}
	if parts["usec_per_call"] != nil {
		merged["usec_per_call"] = fmt.Sprintf("%.2f", ratio(merged["usec"], merged["calls"]))
	}
	if parts["avg_ttl"] != nil {
		merged["avg_ttl"] = meanTTL(parts["expires"], parts["avg_ttl"])
	}
	var out []string
	for _, name := range names {
		out = append(out, name+"="+merged[name])
	}
	return []string{strings.Join(out, ",")}
}

// ratio returns a / b, 0 if there is no b.
func ratio(a, b string) float64 {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	if y == 0 {
		return 0
	}
	return x / y
}

// meanTTL returns the mean of means over so many keys each.
func meanTTL(keys, means []string) string {
	sum, count := 0.0, 0.0
	for i, mean := range means[:min(len(means), len(keys))] {
		n, _ := strconv.ParseFloat(keys[i], 64)
		m, _ := strconv.ParseFloat(mean, 64)
		sum, count = sum+n*m, count+n
	}
	if count == 0 {
		return "0"
	}
	return strconv.FormatFloat(sum/count, 'f', 0, 64)
}

// derive works a field out from others, which are merged, as Redis does.
func (s *infoSection) derive(name string, values []string) string {
	if whole, ok := strings.CutSuffix(name, "_human"); ok && s.index[whole] != nil {
		return humanBytes(s.number(whole))
	}
	var part, whole float64
	switch name {
	case "used_memory_peak_perc":
		return percent(s.number("used_memory"), s.number("used_memory_peak"))
	case "used_memory_dataset_perc":
		return percent(s.number("used_memory_dataset"), s.number("used_memory")-s.number("used_memory_startup"))
	case "allocator_frag_ratio":
		part, whole = s.number("allocator_active"), s.number("allocator_allocated")
	case "allocator_rss_ratio":
		part, whole = s.number("allocator_resident"), s.number("allocator_active")
	case "rss_overhead_ratio":
		part, whole = s.number("used_memory_rss"), s.number("allocator_resident")
	case "mem_fragmentation_ratio":
		part, whole = s.number("used_memory_rss"), s.number("used_memory")
	}
	if whole == 0 {
		return infoLargest(values)[0]
	}
	return fmt.Sprintf("%.2f", part/whole)
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0.00%"
	}
	return fmt.Sprintf("%.2f%%", part*100/whole)
}

// humanBytes writes a number of bytes as Redis does (bytesToHuman in util.c).
func humanBytes(n float64) string {
	if n < 1024 {
		return strconv.FormatFloat(n, 'f', 0, 64) + "B"
	}
	unit := 0
	for n /= 1024; n >= 1024 && unit < len("KMGTP")-1; n /= 1024 {
		unit++
	}
	return fmt.Sprintf("%.2f%c", n, "KMGTP"[unit])
}
