package main

import (
	"context"
	"regexp"
	"slices"
	"testing"
)

func TestWatched(t *testing.T) {
	status, out, err := benchOutput(t, context.Background(), "watched", "--proxy", pinion, "--rounds", "1", "--time", "200ms", "--servers", "1")
	if status != 0 || !regexp.MustCompile(`GET, 50 connections, pipeline 16 +\| CPU, µs/request`).MatchString(out) || !regexp.MustCompile(`\n\d+ scrapes of \d+ KiB: half of them within .*; the page was told [1-9]\d* KiB\n`).MatchString(out) {
		t.Errorf("%d\n%s\n%s", status, out, err)
	}
	status, out, err = benchOutput(t, context.Background(), "watched", "--proxy", pinion, "--soak", "300ms", "--servers", "1")
	if status != 0 || !regexp.MustCompile(`(?m)^ +0s  0 [\d.]+ MiB, .*master [\d.]+ MiB$`).MatchString(out) {
		t.Errorf("%d\n%s\n%s", status, out, err)
	}
	if status, out, _ := benchOutput(t, context.Background(), "watched", "--proxy", pinion, "--pools", "0"); status != 1 {
		t.Errorf("%d\n%s", status, out)
	}
}

func TestMemoryOf(t *testing.T) {
	text := "x 1\npinion_process_resident_memory_bytes{process=\"0\"} 15728640\npinion_process_resident_memory_bytes{process=\"master\"} 1.048576e+06\n"
	if got, want := memoryOf(text), []string{"0 15.0 MiB", "master 1.0 MiB"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
