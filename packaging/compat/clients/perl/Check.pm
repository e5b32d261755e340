# What all programs in Perl share: they try one thing after the other, and say what came of each.

package Check;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(check equal later $tls);

$| = 1;
our $tls = $ENV{COMPAT_TLS} ? 1 : 0; # SSL_CERT_FILE has the authority
my $replaced = !$tls;

# Has everything of Pinion replaced under the connections that are open now, where TLS is spoken; once.
sub replaced {
    return if $replaced++;
    print "waits\n";
    readline STDIN;
}

sub check {
    my ($name, $body) = @_;
    my $good = eval {
        local $SIG{ALRM} = sub { die "has not ended within 20 s\n" };
        alarm 20;
        $body->();
        1;
    };
    alarm 0;
    (my $reason = $good ? '' : "$@") =~ s/\s+/ /g;
    print $good ? "ok $name\n" : "FAIL $name: $reason\n";
    replaced() if $good;
}

sub flat {
    my ($v) = @_;
    return 'undef' unless defined $v;
    return '[' . join(' ', map { flat($_) } @$v) . ']' if ref $v eq 'ARRAY';
    return '{' . join(' ', map { "$_=" . flat($v->{$_}) } sort keys %$v) . '}' if ref $v eq 'HASH';
    return "$v";
}

sub equal {
    my ($got, $want) = map { flat($_) } @_;
    die "got $got, want $want\n" unless $got eq $want;
}

# Has another process do something a little later.
sub later {
    my ($body) = @_;
    my $pid = fork // die;
    return if $pid;
    select undef, undef, undef, 0.3;
    eval { $body->() };
    require POSIX;
    POSIX::_exit(0);
}

1;
