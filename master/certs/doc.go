// Package certs reads certificates and private keys, says what is wrong with them, and is the master's door to TLS: whoever of it
// asks a server encrypts the connection here.
//
//	files ──read.go──► PEM, as a specification has it, or a Flaw: what is wrong, and what would be right
//	                    ├── authority.go, pair.go: what is wrong with each kind
//	                    └── ends.go: until when they are good
//
//	*link.ServerTLS ──client.go──► Client: a connection becomes an encrypted one, whose server is who it should be
//	                    └── explain.go: why a handshake has failed, in an operator's words
//
// It knows no configuration: whoever names the files says in which key of it they stand.
package certs
