// Package rig is what the tests of the running program stand on: the program and real servers as processes that end with
// the test, connections that speak both protocols, tables of requests and replies, and what the kernel tells of processes.
// It sees Pinion as an operator and a client do, from outside.
package rig
