// INFO of several servers: what tools read of one.

package resp

import (
	"fmt"
	"strings"
	"testing"
)

// infoOf makes a text of lines.
func infoOf(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func TestMergeInfo(t *testing.T) {
	one := infoOf("# Server", "redis_version:7.0.15", "redis_mode:cluster", "executable:/a", "config_file:",
		"", "# Clients", "connected_clients:3", "blocked_clients:1",
		"", "# Memory", "used_memory:1048576", "used_memory_human:1.00M", "used_memory_rss:2097152", "used_memory_peak:2097152",
		"used_memory_peak_perc:50.00%", "used_memory_startup:0", "used_memory_dataset:524288", "used_memory_dataset_perc:50.00%",
		"maxmemory:0", "maxmemory_human:0B", "maxmemory_policy:noeviction", "mem_fragmentation_ratio:2.00", "mem_allocator:jemalloc-5.3.0",
		"", "# Persistence", "loading:1", "rdb_last_save_time:100", "rdb_last_bgsave_status:ok", "rdb_last_bgsave_time_sec:-1", "aof_enabled:0",
		"", "# Stats", "keyspace_hits:10", "instantaneous_input_kbps:0.25", "latest_fork_usec:7",
		"", "# Replication", "role:slave", "connected_slaves:1", "slave0:ip=1.1.1.1,port=1,state=online,offset=1,lag=0", "master_replid:aa",
		"", "# CPU", "used_cpu_sys:1.500000",
		"", "# Modules", "module:name=search,ver=1,api=1", "module:name=json,ver=2,api=1",
		"", "# Commandstats", "cmdstat_get:calls=2,usec=4,usec_per_call=2.00,rejected_calls=0,failed_calls=1",
		"", "# Errorstats", "errorstat_ERR:count=2",
		"", "# Latencystats", "latency_percentiles_usec_get:p50=1.003,p99=5.023,p99.9=5.023",
		"", "# Cluster", "cluster_enabled:1",
		"", "# Keyspace", "db0:keys=2,expires=1,avg_ttl=100,subexpiry=0", "db1:keys=1,expires=0,avg_ttl=0,subexpiry=0")
	two := infoOf("# Server", "redis_version:7.0.9", "redis_mode:standalone", "executable:/b", "config_file:",
		"", "# Clients", "connected_clients:4", "blocked_clients:0",
		"", "# Memory", "used_memory:3145728", "used_memory_human:3.00M", "used_memory_rss:3145728", "used_memory_peak:6291456",
		"used_memory_peak_perc:50.00%", "used_memory_startup:0", "used_memory_dataset:524288", "used_memory_dataset_perc:16.67%",
		"maxmemory:100", "maxmemory_human:100B", "maxmemory_policy:allkeys-lru", "mem_fragmentation_ratio:1.00", "mem_allocator:libc",
		"", "# Persistence", "loading:0", "rdb_last_save_time:90", "rdb_last_bgsave_status:err", "rdb_last_bgsave_time_sec:3", "aof_enabled:1",
		"", "# Stats", "keyspace_hits:5", "instantaneous_input_kbps:1.50", "latest_fork_usec:9", "evicted_clients:1",
		"", "# Replication", "role:master", "connected_slaves:1", "slave0:ip=2.2.2.2,port=1,state=online,offset=1,lag=0", "master_replid:bb",
		"", "# CPU", "used_cpu_sys:0.250000",
		"", "# Modules", "module:name=search,ver=1,api=1",
		"", "# Commandstats", "cmdstat_get:calls=2,usec=10,usec_per_call=5.00,rejected_calls=1,failed_calls=0",
		"cmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0",
		"", "# Errorstats", "errorstat_WRONGTYPE:count=1",
		"", "# Latencystats", "latency_percentiles_usec_get:p50=2.007,p99=4.015,p99.9=9.023",
		"", "# Cluster", "cluster_enabled:0",
		"", "# Keyspace", "db0:keys=4,expires=3,avg_ttl=200,subexpiry=1")
	own := []InfoField{
		{"Server", "redis_mode", "standalone"}, {"Clients", "connected_clients", "2"}, {"Replication", "role", "master"},
		{"Cluster", "cluster_enabled", "0"}, {"Server", "tcp_port", "22121"}, {"Pinion", "pool", "alpha"},
	}
	want := infoOf("# Server", "redis_version:7.0.9", "redis_mode:standalone", "config_file:", "tcp_port:22121",
		"", "# Clients", "connected_clients:2", "blocked_clients:1",
		"", "# Memory", "used_memory:4194304", "used_memory_human:4.00M", "used_memory_rss:5242880", "used_memory_peak:8388608",
		"used_memory_peak_perc:50.00%", "used_memory_startup:0", "used_memory_dataset:1048576", "used_memory_dataset_perc:25.00%",
		"maxmemory:0", "maxmemory_human:0B", "mem_fragmentation_ratio:1.25", "mem_allocator:jemalloc-5.3.0",
		"", "# Persistence", "loading:0", "rdb_last_save_time:90", "rdb_last_bgsave_status:err", "rdb_last_bgsave_time_sec:3", "aof_enabled:1",
		"", "# Stats", "keyspace_hits:15", "instantaneous_input_kbps:1.75", "latest_fork_usec:9", "evicted_clients:1",
		"", "# Replication", "role:master", "connected_slaves:2", "slave0:ip=1.1.1.1,port=1,state=online,offset=1,lag=0", "master_replid:aa",
		"slave1:ip=2.2.2.2,port=1,state=online,offset=1,lag=0",
		"", "# CPU", "used_cpu_sys:1.750000",
		"", "# Modules", "module:name=search,ver=1,api=1", "module:name=json,ver=2,api=1",
		"", "# Commandstats", "cmdstat_get:calls=4,usec=14,usec_per_call=3.50,rejected_calls=1,failed_calls=1",
		"cmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0",
		"", "# Errorstats", "errorstat_ERR:count=2", "errorstat_WRONGTYPE:count=1",
		"", "# Latencystats", "latency_percentiles_usec_get:p50=2.007,p99=5.023,p99.9=9.023",
		"", "# Cluster", "cluster_enabled:0",
		"", "# Keyspace", "db0:keys=6,expires=4,avg_ttl=175,subexpiry=1", "db1:keys=1,expires=0,avg_ttl=0,subexpiry=0",
		"", "# Pinion", "pool:alpha")
	got := MergeInfo([]byte("before"), [][]byte{one, two}, own)
	if string(got) != "before"+string(want) {
		wanted := strings.Split("before"+string(want), "\r\n")
		for i, line := range strings.Split(string(got), "\r\n") {
			if i >= len(wanted) || line != wanted[i] {
				t.Fatalf("line %d: got %q, want %q", i, line, wanted[min(i, len(wanted)-1)])
			}
		}
		t.Fatalf("got %d bytes, want %d", len(got), len(want)+6)
	}
	for _, text := range [][]byte{one, two} {
		if got := MergeInfo(nil, [][]byte{text}, nil); string(got) != string(text) {
			t.Errorf("of one server: got %q, want %q", got, text)
		}
	}
	if got := MergeInfo(nil, nil, own[2:4]); string(got) != "# Replication\r\nrole:master\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n" {
		t.Errorf("of none: %q", got)
	}
}

func TestInfoWants(t *testing.T) {
	for _, e := range []struct{ request, yes, no string }{
		{"INFO", "Server Pinion", "commandstats"},
		{"INFO default", "server", "commandstats"},
		{"INFO ALL", "server commandstats", ""},
		{"INFO everything", "server commandstats", ""},
		{"INFO Replication", "Replication", "Server commandstats"},
		{"INFO server CommandStats", "server commandstats", "replication"},
		{"INFO nosuch", "", "server commandstats"},
	} {
		b, args := request(strings.Fields(e.request)...)
		for _, section := range strings.Fields(e.yes) {
			if !InfoWants(b, args[1:], section, section != "commandstats") {
				t.Errorf("%s lacks %s", e.request, section)
			}
		}
		for _, section := range strings.Fields(e.no) {
			if InfoWants(b, args[1:], section, section != "commandstats") {
				t.Errorf("%s has %s", e.request, section)
			}
		}
	}
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0B", 1023: "1023B", 1024: "1.00K", 1536: "1.50K", 1 << 20: "1.00M", 1 << 30: "1.00G", 1 << 40: "1.00T", 1 << 50: "1.00P",
		1 << 60: "1024.00P",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}

// Whatever servers say: what the proxy says of itself is there, once, in its section, and every line is a heading, a field or
// empty.
func FuzzMergeInfo(f *testing.F) {
	f.Add([]byte("# Memory\r\nused_memory:1\r\nused_memory_human:1B\r\n"), []byte("# Memory\r\nused_memory:x\r\nused_memory_human:\r\n"))
	f.Add([]byte("# Keyspace\r\ndb0:keys=1,expires=,avg_ttl\r\ndb0:=\r\n"), []byte("# Keyspace\ndb0:,,\n:\nmodule:name=,\n# \n# Memory"))
	f.Add([]byte("# Replication\r\nrole:slave\r\nslave0:a\r\nrole:b\r\n"), []byte("role:x\r\n# Replication\r\nslave1:inf\r\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		own := []InfoField{{"Replication", "role", "master"}, {"Pinion", "pool", "alpha"}}
		got := string(MergeInfo(nil, [][]byte{a, b}, own))
		section, seen := "", map[string]int{}
		for line := range strings.SplitSeq(strings.TrimSuffix(got, "\r\n"), "\r\n") {
			if name, ok := strings.CutPrefix(line, "# "); ok {
				section = name
				continue
			}
			seen[section+" "+line]++
			if line != "" && !strings.ContainsAny(line, ":,") {
				t.Errorf("line %q in %q", line, got)
			}
		}
		for _, f := range own {
			if n := seen[fmt.Sprintf("%s %s:%s", f.Section, f.Name, f.Value)]; n != 1 {
				t.Errorf("%v is there %d times: %q", f, n, got)
			}
		}
	})
}
