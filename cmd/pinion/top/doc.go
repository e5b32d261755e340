// Package top is the page of the terminal: what the proxy does now, by pool, server, command, worker and client.
//
//	admin socket ──► Source ──Sample──► model ──► View: lines of text
//	keys ──────────────────────────────► │
//	clock ─────────────────────────────► │
//
// Rates are differences of two samples. The model is a function of what comes to it, so that its screens are tested as text; run.go
// alone knows the terminal. Whatever names it shows are made harmless first.
package top
