"""Writes in transactions and reads what was committed, in a group. Usage: client.py servers topic group"""
import sys

from kafka import KafkaConsumer, KafkaProducer

servers, topic, group = sys.argv[1].split(","), sys.argv[2], sys.argv[3]

producer = KafkaProducer(bootstrap_servers=servers, transactional_id=group)
producer.init_transactions()
for number in range(20):
    producer.begin_transaction()
    producer.send(topic, key=str(number).encode(), value=b"python %d" % number).get(timeout=60)
    if number % 2 == 0:
        producer.commit_transaction()
    else:
        producer.abort_transaction()
producer.close()

consumer = KafkaConsumer(
    topic,
    bootstrap_servers=servers,
    group_id=group,
    auto_offset_reset="earliest",
    isolation_level="read_committed",
    enable_auto_commit=False,
)
received = 0
for record in consumer:
    print("received", record.value.decode(), flush=True)
    received += 1
    if received == 10:
        break
consumer.commit()
print("committed", any((consumer.committed(partition) or 0) > 0 for partition in consumer.assignment()))
consumer.close()
