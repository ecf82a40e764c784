// Command transfer measures how fast raw blobs go to an S3 server and back,
// ours against s5cmd, on one server of its own. The two take turns, so that
// what else the machine does meets both; what is compared is the table's
// ratio, on the machine that printed it.
//
//	transfer -s5cmd .venv-bench/bin/s5cmd -server .cache/bin/versitygw
//
// Both run as processes of their own: CPU and memory are the kernel's account
// of them. Ours is measured twice: copying, as s5cmd does, and as a task moves
// its artifacts, each blob verified against its SHA-1 both ways.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "transfer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == carrier {
		return carry(ctx, args[1:])
	}
	b, err := parse(args)
	if err != nil {
		return err
	}
	return b.run(ctx)
}

func parse(args []string) (*bench, error) {
	flags := flag.NewFlagSet("transfer", flag.ContinueOnError)
	b := &bench{}
	flags.StringVar(&b.s5cmd, "s5cmd", ".venv-bench/bin/s5cmd", "the s5cmd to compare with; empty: none")
	flags.StringVar(&b.versitygw, "server", ".cache/bin/versitygw", "the S3 server to run")
	flags.StringVar(&b.dir, "dir", os.TempDir(), "where files and the server's folder are made and removed; memory (/dev/shm) keeps the disk out of it")
	flags.IntVar(&b.rounds, "rounds", 3, "how often each is measured; the median counts")
	cases := flags.String("cases", "1x1GiB,64x16MiB,5000x16KiB", "numbers and sizes of blobs")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || b.rounds < 1 {
		return nil, errors.New("want flags alone, and at least one round")
	}
	for text := range strings.SplitSeq(*cases, ",") {
		c, err := parseCase(text)
		if err != nil {
			return nil, err
		}
		b.cases = append(b.cases, c)
	}
	return b, nil
}

// blobs are count blobs of that size.
type blobs struct {
	count int
	size  int64
	name  string
}

func parseCase(text string) (blobs, error) {
	count, size, _ := strings.Cut(text, "x")
	units := []string{"B", "KiB", "MiB", "GiB"}
	number := strings.TrimRight(size, "BKMGi")
	exponent := slices.Index(units, strings.TrimPrefix(size, number))
	n, err := strconv.Atoi(count)
	s, err2 := strconv.ParseInt(number, 10, 64)
	if err != nil || err2 != nil || exponent < 0 || n < 1 {
		return blobs{}, fmt.Errorf("case %q: want something like 64x16MiB", text)
	}
	return blobs{count: n, size: s << (10 * exponent), name: fmt.Sprintf("%d x %s %s", n, number, units[exponent])}, nil
}
