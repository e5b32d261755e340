#!/bin/sh
# Writes the program for valkey-go, which has come from rueidis and offers the same under other names.
set -eu
{
	echo '// Code generated from ../rueidis/main.go by go generate. DO NOT EDIT.'
	echo
	sed -e '/^\/\/go:generate/,+1d' -e 's,redis/rueidis,valkey-io/valkey-go,' -e 's/Rueidis/Valkey-go/' -e 's/IsRedisNil/IsValkeyNil/' \
		-e 's/rueidis/valkey/g' main.go
} | gofmt >../valkeygo/main.go
