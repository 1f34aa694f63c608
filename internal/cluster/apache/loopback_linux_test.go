package apache

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testLoopback finds the sockets on which the brokers' processes listen.
func testLoopback(t *testing.T, c *Cluster) {
	for _, b := range c.brokers {
		addresses := listening(t, c.PID(b.id))
		if len(addresses) != 3 {
			t.Errorf("broker %d listens on %v, want three addresses", b.id, addresses)
		}
		for _, address := range addresses {
			if !address.Addr().Unmap().IsLoopback() {
				t.Errorf("broker %d listens on %s", b.id, address)
			}
		}
	}
}

// listening returns the addresses on which a process accepts TCP connections.
func listening(t *testing.T, pid int) []netip.AddrPort {
	t.Helper()
	var addresses []netip.AddrPort
	own := socketsOf(t, pid)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			// The columns are: number, local address, remote address, state, …, inode.
			column := strings.Fields(lines.Text())
			const listen = "0A"
			if column[3] == listen && slices.Contains(own, column[9]) {
				addresses = append(addresses, parseAddress(t, column[1]))
			}
		}
	}
	return addresses
}

// socketsOf returns the inodes of a process's sockets.
func socketsOf(t *testing.T, pid int) []string {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var inodes []string
	for _, link := range links {
		// A file that was closed in between is no listening socket.
		target, _ := os.Readlink(link)
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// parseAddress reads an address of the kernel's table: words of four bytes, each with
// its last byte first, in hexadecimal.
func parseAddress(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(bytes, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(bytes)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		t.Fatalf("reading the address %s: %v", text, err)
	}
	return netip.AddrPortFrom(addr, uint16(number))
}
