# Redis.pm with its defaults.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Check;
use Redis;

my ($host, $port) = @ARGV;
print "version $Redis::VERSION\n";
my $make = sub { Redis->new(server => "$host:$port", reconnect => 1, ssl => $tls) };
my $r = $make->();

check 'connect', sub { equal($r->ping, 'PONG') };
check 'set and get', sub {
    equal($r->set(k => 'v'), 'OK');
    equal($r->get('k'), 'v');
    equal($r->get('absent'), undef);
    equal([ $r->mget('k', 'absent') ], [ 'v', undef ]);
    $r->hset('h', a => 1);
    equal([ $r->hgetall('h') ], [ 'a', 1 ]);
};
check 'pipelining', sub {
    my @got;
    $r->set("p$_", $_, sub { push @got, $_[0] }) for 1 .. 50;
    $r->wait_all_responses;
    equal(scalar @got, 50);
};
check 'multi', sub {
    equal($r->multi, 'OK');
    equal($r->incr('{m}a'), 'QUEUED');
    equal($r->incr('{m}a'), 'QUEUED');
    equal([ $r->exec ], [ 1, 2 ]);
};
check 'watch', sub {
    $r->watch('w');
    $make->()->set(w => 'other');
    $r->multi;
    $r->set(w => 'mine');
    equal(scalar $r->exec, undef);
};
check 'blpop', sub {
    later(sub { $make->()->rpush('list', 'x') });
    equal([ $r->blpop('list', 10) ], [ 'list', 'x' ]);
};
check 'subscribe', sub {
    my $sub = $make->();
    my @got;
    $sub->subscribe('news', sub { push @got, $_[0] });
    later(sub { $make->()->publish('news', 'm') });
    $sub->wait_for_messages(5) unless @got;
    equal(\@got, ['m']);
};
check 'scripts', sub {
    my $sha = $r->script_load('return redis.call("INCR", KEYS[1])');
    equal($r->evalsha($sha, 1, "sha$_"), 1) for 1 .. 20;
};
check 'scan', sub {
    my ($cursor, %seen) = (0);
    do {
        ($cursor, my $keys) = $r->scan($cursor, MATCH => 'p*');
        $seen{$_} = 1 for @$keys;
    } while $cursor;
    equal(scalar keys %seen, 50);
};
check 'keys', sub { equal(scalar(() = $r->keys('p*')), 50) };
check 'info', sub { die "no redis_version\n" unless $r->info->{redis_version} };
check 'select', sub {
    my $in1 = $make->();
    equal($in1->select(1), 'OK');
    equal($in1->get('k'), undef);
};
check 'flushdb', sub { equal($r->flushdb, 'OK'); equal($r->dbsize, 0) };
check 'quit', sub { $r->quit };
print "done\n";
