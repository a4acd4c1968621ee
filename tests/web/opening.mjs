// The id of the model that is loaded, or the error.
export async function run(open, { opening }) {
  try {
    const codec = await open(opening);
    codec.close();
    return { model: codec.model };
  } catch (error) {
    return { error: error.kind, message: error.message };
  }
}
