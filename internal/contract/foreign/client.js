// Writes in transactions and reads what was committed, in a group.
// Usage: node client.js servers topic group
const { Kafka, logLevel } = require("kafkajs");

const [servers, topic, group] = process.argv.slice(2);
const kafka = new Kafka({ brokers: servers.split(","), logLevel: logLevel.ERROR });

async function main() {
  const producer = kafka.producer({ transactionalId: group, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let number = 0; number < 20; number++) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: `${number}`, value: `node ${number}` }] });
    await (number % 2 === 0 ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();

  const consumer = kafka.consumer({ groupId: group, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  let received = 0;
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        console.log(`received ${message.value}`);
        received++;
        if (received === 10) resolve();
      },
    });
  });
  await consumer.disconnect();

  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  console.log("committed", offsets[0].partitions.some((p) => Number(p.offset) > 0) ? "True" : "False");
  await admin.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
