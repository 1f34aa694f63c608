package embedded

import (
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// From version 13 on, a request that brings records names topics by their ids. kfake
// panics on one that brings records for two topics that it doesn't know, which happens
// when both were deleted a moment ago. So kfake gets such a request in pieces, a topic
// each, and the client gets the answers as one.

// splitProduce returns a request in pieces.
func splitProduce(r request, whole *kmsg.ProduceRequest, e exchange) *forwarded {
	e.whole = whole.ResponseKind().(*kmsg.ProduceResponse)
	for i := range whole.Topics {
		piece := *whole
		piece.Topics = whole.Topics[i : i+1]
		e.pieces = append(e.pieces, r.again(&piece))
	}
	first := e.pieces[0]
	e.pieces = e.pieces[1:]
	return &forwarded{first, e}
}

// nextPiece gives kfake the next piece of the request that it has begun.
func (c *conn) nextPiece() error {
	e := c.last
	if !e.silent {
		if err := c.waitForWrite(); err != nil {
			return err
		}
	}
	c.unread, e.pieces = e.pieces[0], e.pieces[1:]
	return nil
}

// writePiece is called with kfake's answer to a piece. The last one sends them all.
func (c *conn) writePiece(e *exchange, frame []byte) (int, error) {
	answer := e.kind().(*kmsg.ProduceResponse)
	correlation, err := readAnswer(frame[4:], answer)
	if err != nil || e.silent {
		c.finish(e)
		return 0, net.ErrClosed
	}
	e.whole.Topics = append(e.whole.Topics, answer.Topics...)
	if len(answer.Brokers) > 0 {
		e.whole.Brokers = answer.Brokers
	}
	if len(e.pieces) > 0 {
		c.mu.Lock()
		c.current = e
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			c.finish(c.take())
			return 0, net.ErrClosed
		}
	} else {
		defer c.finish(e)
		if e.mend != nil {
			e.mend(e.whole)
		}
		if err := c.respond(correlation, e.whole); err != nil {
			return 0, err
		}
	}
	c.answered <- struct{}{}
	return len(frame), nil
}
