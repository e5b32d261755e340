// Signatures take a millisecond with RSA, so another thread can make them while the loop serves.

package tlshake

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"slices"
)

// Job is a signature to be made. Sign may run on any goroutine, once; with the handshake nothing but Abort may be done meanwhile.
type Job struct {
	Asked, Made bool // how far who drives the handshake is with it

	key     crypto.Signer
	random  io.Reader
	digest  []byte
	options crypto.SignerOpts

	signature []byte
	err       error
}

// Sign makes the signature.
func (j *Job) Sign() {
	err := guarded(func() { j.signature, j.err = j.key.Sign(j.random, j.digest, j.options) })
	if err != nil {
		j.err = err
	}
}

// deferred is a key whose signatures are made by whoever drives the handshake.
type deferred struct {
	h   *Handshake
	key crypto.Signer
}

func (d deferred) Public() crypto.PublicKey { return d.key.Public() }

func (d deferred) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	job := &Job{key: d.key, random: random, digest: digest, options: options}
	d.h.Job = job
	if !d.h.yield(NeedsSignature) {
		return nil, errAborted
	}
	return job.signature, job.err
}

// deferSignatures returns the certificates with keys of RSA whose signatures are jobs. Others sign so fast that it is not
// worth it.
func (h *Handshake) deferSignatures(certificates []tls.Certificate) []tls.Certificate {
	own := slices.Clone(certificates)
	for i, c := range own {
		if key, ok := c.PrivateKey.(*rsa.PrivateKey); ok {
			own[i].PrivateKey = deferred{h, key}
		}
	}
	return own
}
