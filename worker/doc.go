// Package worker is the process that serves: it inherits what the master made, confines itself and runs the core.
//
//	worker      inherit, confine, run
//	  core      the event loop: clients, requests, servers, and clients that move to another worker
//	  stream    bytes in and out of a descriptor       memory    buffers that outlive a turn
//	  timer     deadlines                              resolve   names
//	  sandbox   what the process may reach             handoff   how two workers agree which one owns a client
//	  poll sock the system calls                       link      the contract with the master
//	  fault     where a test can break it              transcript  how tests play scripts
package worker
