# Cache::Memcached::Fast: the text protocol, with many noreply commands.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Check;
use Cache::Memcached::Fast;

my ($host, $port) = @ARGV;
print "version $Cache::Memcached::Fast::VERSION\n";
my $m = Cache::Memcached::Fast->new({ servers => ["$host:$port"], io_timeout => 5 });

check 'set and get', sub {
    equal($m->set('k', { a => 1 }), 1);
    equal($m->get('k'), { a => 1 });
    equal(scalar $m->get('absent'), undef);
};
check 'set_multi and get_multi', sub {
    $m->set_multi(map { [ "m$_", $_ ] } 1 .. 100);
    equal(scalar keys %{ $m->get_multi(map { "m$_" } 1 .. 110) }, 100);
};
check 'noreply', sub {
    $m->set("n$_", $_) for 1 .. 100; # in void context
    $m->nowait_push;
    equal($m->get('n100'), 100);
};
check 'gets and cas', sub {
    my $got = $m->gets('m1');
    equal($m->cas('m1', @$got), 1);
    equal($m->cas('m1', @$got), '');
};
check 'append, prepend, incr, decr', sub {
    $m->set('s', 'x');
    equal([ $m->append('s', '>'), $m->prepend('s', '<'), $m->get('s') ], [ 1, 1, '<x>' ]);
    $m->set('c', 10);
    equal([ $m->incr('c', 5), $m->decr('c') ], [ 15, 14 ]);
};
check 'touch and delete', sub { equal([ $m->touch('s', 100), $m->delete('s'), $m->delete('s') ], [ 1, 1, '' ]) };
check 'server_versions', sub { equal(scalar keys %{ $m->server_versions }, 1) };
check 'flush_all', sub { $m->flush_all; equal(scalar $m->get('m2'), undef) };
check 'disconnect_all', sub { $m->disconnect_all };
print "done\n";
